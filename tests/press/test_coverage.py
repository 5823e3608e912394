from gapbook.press import Record, best_scale, compare, coverage_html, paper_coverage, paper_items

PAGES = {f"{number:02}": f"../{number:02}.html" for number in range(1, 10)}


def test_every_part_of_the_paper_has_a_row():
    rows = paper_coverage(compare({}))
    assert rows["item"].tolist() == list(paper_items())
    assert (rows["this book has"] != "").all()
    assert set(rows.loc[rows["chapter"] == "", "on"]) == {"not treated"}


def test_facts_are_counted_by_verdict_with_their_experiments():
    records = {f"amend.{name}": Record(0.57) for name in ("ratio",)}
    row = paper_coverage(compare(records)).set_index("item").loc["Sec. 4.4"]
    assert row["facts"].startswith("1 consistent, 4 needs data")
    assert row["experiments"] == 2


def test_a_part_without_facts_counts_none():
    row = paper_coverage(compare({})).set_index("item").loc["Supp. Fig. 9"]
    assert (row["facts"], row["experiments"]) == ("", 0)


def test_the_best_scale_is_the_strongest_evidence():
    assert best_scale(paper_items()["Fig. 2a"]) == "paper's scale"
    assert best_scale(paper_items()["Supp. Fig. 14"]) == "not treated"


def test_html_links_chapters_and_scrolls():
    page = coverage_html(paper_coverage(compare({})), PAGES)
    assert '<a href="../03.html">chapter 3</a>' in page and "overflow:auto" in page
    assert all(f"<td>{name}</td>" in page for name in paper_items())
    assert "authors&#x27; embeddings" in page
