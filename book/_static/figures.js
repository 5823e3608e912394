// Figures open large at a tap; tables that are cut off say so.
document.addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector(".bd-article, [role=main], main") || document.body;

  const dialog = document.createElement("dialog");
  dialog.className = "gap-large";
  dialog.setAttribute("aria-label", "Figure, enlarged");
  dialog.innerHTML = '<button type="button" class="gap-close">Close</button><div tabindex="0" role="region" aria-label="Figure, scrolls"></div>';
  const room = dialog.querySelector("div");
  document.body.append(dialog);
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const enlarge = (image) => {
    const large = new Image();
    large.src = image.src;
    large.alt = image.alt;
    // at least as large as it was drawn, which a phone's screen is not
    const drawn = Number(image.getAttribute("width")) || image.naturalWidth || 800;
    large.style.width = `max(100%, ${Math.max(drawn, 700)}px)`;
    room.replaceChildren(large);
    dialog.showModal();
  };
  const offer = (holder, find) => {
    holder.classList.add("gap-zoom");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "gap-enlarge";
    button.textContent = "⤢";
    button.title = "Enlarge the figure";
    button.setAttribute("aria-label", "Enlarge the figure");
    button.addEventListener("click", () => enlarge(find()));
    holder.append(button);
    holder.addEventListener("click", (event) => {
      if (event.target.tagName === "IMG") enlarge(event.target);
    });
  };
  article.querySelectorAll(".gap-frames > div:first-of-type").forEach((frames) => {
    offer(frames, () => frames.querySelector("img:not([hidden])"));
  });
  article.querySelectorAll(".cell_output img, figure img").forEach((image) => {
    if (image.closest(".gap-frames, .gap-explore, .gap-live, .gap-zoom, a")) return;
    const inner = image.closest("picture") || image;
    const holder = document.createElement("span");
    inner.replaceWith(holder);
    holder.append(inner);
    offer(holder, () => image);
  });

  const wide = (box) => {
    const cut = box.scrollWidth - box.clientWidth > 2;
    box.classList.toggle("gap-cut", cut);
    const end = box.scrollLeft + box.clientWidth >= box.scrollWidth - 2;
    box.classList.toggle("gap-end", cut && end);
    if (cut) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", "Table, scrolls sideways");
    } else if (box.getAttribute("role") === "region") {
      ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
    }
  };
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => wide(entry.target)));
  article.querySelectorAll("table").forEach((table) => {
    let box = table.parentElement;
    while (box !== article && !/auto|scroll/.test(getComputedStyle(box).overflowX)) box = box.parentElement;
    if (box === article) return;
    sizes.observe(box);
    box.addEventListener("scroll", () => wide(box), { passive: true });
    wide(box);
  });
});
