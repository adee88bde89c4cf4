"""Every page that users read is reached from README.md, and every link in them leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("deploy/**/*.md"))]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:")


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a heading is linked as: small letters, hyphens for spaces, nothing else but letters and digits."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", LINK.sub("", heading).strip().lower()).replace(" ", "-")
        for heading in headings
    }


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where a page's links within the tree lead, and to which heading; that of a folder is to its README."""
    for link in LINK.findall(prose(page)):
        if not ELSEWHERE.match(link):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            yield (readme if (readme := target / "README.md").exists() else target), anchor


def broken(page: Path) -> list[str]:
    return [
        f"{target}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]


def reached(page: Path, known: set[Path]) -> set[Path]:
    for target, _ in links(page):
        if target.suffix == ".md" and target not in known:
            known = reached(target, known | {target})
    return known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_every_page_is_reached_from_the_readme() -> None:
    assert len(PAGES) > 20
    assert [page.name for page in PAGES if page not in reached(README, {README})] == []


@pytest.mark.parametrize("link", ["gone.md", "page.md#no-such-heading", "#no-such-heading", "folder"])
def test_a_broken_link_is_seen(tmp_path: Path, link: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One: `heading`\n\n[so](page.md#one-heading), [or](#one-heading), [else](https://a.example/x)\n"
    )
    assert broken(page) == []
    page.write_text(f"# One\n\n[so]({link})\n")
    assert len(broken(page)) == 1
