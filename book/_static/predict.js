// Turns the answers of each "Predict" box into buttons; what is right shows after a choice.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".gap-predict").forEach((box, number) => {
    const list = box.querySelector("ol");
    const items = [...list.children];
    const details = box.querySelector("details.gap-answer");
    const question = list.previousElementSibling;
    question.id ||= `predict-${number + 1}`;
    const group = document.createElement("div");
    group.className = "gap-choices";
    group.setAttribute("role", "group");
    group.setAttribute("aria-labelledby", question.id);
    const verdict = document.createElement("p");
    verdict.className = "gap-verdict";
    verdict.setAttribute("aria-live", "polite");
    const right = items.findIndex((item) => item.classList.contains("gap-right"));
    const letter = (i) => "abcdefghijklmnopqrstuvwxyz"[i];
    const buttons = items.map((item, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.innerHTML = `<b>${letter(i)}</b> <span>${(item.querySelector("p") || item).innerHTML}</span>`;
      button.addEventListener("click", () => {
        buttons.forEach((other, j) => {
          other.setAttribute("aria-pressed", String(j === i));
          other.classList.toggle("gap-right", j === right);
          other.classList.toggle("gap-wrong", j === i && j !== right);
        });
        verdict.textContent = i === right
          ? `✓ ${letter(i)} is right.`
          : `✗ Not ${letter(i)}: ${letter(right)} is right.`;
        details.open = true;
      });
      return button;
    });
    group.append(...buttons);
    list.replaceWith(group);
    group.after(verdict);
    details.querySelector("summary").textContent = "Show the answer";
  });
  // on paper nothing is folded
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.gap-answer:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
});
