// How the search ranks what it finds: prose first, then the reference, then how the book is made.
var Scorer = {
  // pages on which readers seldom look for what a word means
  asides: { "appendix/api": -8, "appendix/plumbing": -12, "appendix/how_this_book_is_built": -6,
    "appendix/scoreboard": -6, "appendix/bibliography": -6, "appendix/errata": -3 },
  score: (result) => {
    const [name, title, anchor, description, score] = result;
    const [page, section] = name.split("#");
    if (section !== undefined) {
      // a section is a document of its own in the index: lead to it, and name its page
      const home = Search._index.titles[Search._index.docnames.indexOf(page)];
      result[0] = page;
      if (!anchor) result[2] = "#" + section;
      if (home && !title.startsWith(home)) result[1] = home + " > " + title;
    }
    return score + (Scorer.asides[page] || 0) + (description ? -3 : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 2,
  objPrio: { 0: 4, 1: 2, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
