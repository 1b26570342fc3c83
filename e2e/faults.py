"""What is wrong with a page: for people, at a width, in a theme, and for its security policy.

Each finding is one line that says where and what, so that a test compares with an empty list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

QUIET = ("log", "info", "debug", "verbose")
WIDTHS = (360, 1440)
THEMES = ("light", "dark")

_NEEDED = {
    "default-src": {"'self'"},
    "frame-ancestors": {"'none'"},
    "base-uri": {"'none'", "'self'"},
    "form-action": {"'self'", "'none'"},
}
_HARMLESS = {"'self'", "'none'"}

# The shortest handlers are oncut and its like; `one` is somebody's own attribute.
_HANDLER = re.compile("on[a-z]{3,}")

# At the end of the page, where the bar that saves covers nothing: elsewhere one can scroll.
_AXE = """() => {
  scrollTo(0, document.body.scrollHeight);
  return axe.run(document, {
  resultTypes: ["violations"],
  rules: { "target-size": { enabled: true } },
}).then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
  nodes.slice(0, 5).map(({ target, html, any, all, none }) => [
    `axe ${id}: ${help}: ${target.join(" ")}`,
    [...any, ...all, ...none].map(({ message }) => message).join("; "),
    html.slice(0, 160),
  ].join(" | "))));
}"""

# What is hidden from eyes, or can be scrolled to, or ends in an ellipsis, is not too wide.
_TOO_WIDE = """async () => {
  await new Promise(requestAnimationFrame);
  const excused = (node) => {
    for (let one = node; one && one !== document.body; one = one.parentElement) {
      const { clipPath, overflowX, textOverflow } = getComputedStyle(one);
      if (clipPath !== "none") return true;
      const scrolls = ["auto", "scroll"].includes(overflowX) || textOverflow === "ellipsis";
      if (scrolls && one.getBoundingClientRect().right <= innerWidth + 0.5) return true;
    }
    return false;
  };
  const root = document.documentElement;
  const found = root.scrollWidth > innerWidth ? [`the page itself, by ${root.scrollWidth}`] : [];
  for (const node of document.body.querySelectorAll("*")) {
    if (!node.checkVisibility() || node.getBoundingClientRect().right <= innerWidth + 0.5) continue;
    if (!excused(node)) found.push(node.outerHTML.slice(0, 160));
  }
  return found;
}"""


def of_policy(text: str | None) -> list[str]:
    """What a Content-Security-Policy lets through that no page of ours needs."""
    if text is None:
        return ["there is no Content-Security-Policy"]
    given = {}
    for directive in text.split(";"):
        name, *sources = directive.split()
        given[name] = set(sources)
    wrong = [
        f"{name} lets {' '.join(sorted(sources - _HARMLESS))} through"
        for name, sources in given.items()
        if sources - _HARMLESS and name != "sandbox"
    ]
    return wrong + [
        f"{name} is missing or too wide"
        for name, allowed in _NEEDED.items()
        if not given.get(name) or not given[name] <= allowed | {"'none'"}
    ]


def of_markup(html: str) -> list[str]:
    """Styles and scripts that stand in the HTML itself."""
    reader = _Inline()
    reader.feed(html)
    reader.close()
    return reader.found


class _Inline(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(f"inline <{tag}> at {self.getpos()}")
        self.found += [
            f"inline {name} on <{tag}> at {self.getpos()}"
            for name, value in attrs
            if name == "style"
            or _HANDLER.fullmatch(name)
            or (value or "").strip().lower().startswith("javascript:")
        ]


@dataclass
class Watched:
    """A page that is listened to from now on; `origin` is the only one it may speak to."""

    page: Page
    origin: str
    expected: tuple[int, ...] = ()
    """Statuses of 400 and more that belong to what is shown: Chromium writes an error for each."""
    found: list[str] = field(default_factory=list)
    documents: list[Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        known = any(f"status of {status} " in message.text for status in self.expected)
        if message.type not in QUIET and not known:
            self.found.append(f"console: {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        to = urlsplit(request.url)
        if f"{to.scheme}://{to.netloc}" != self.origin:
            self.found.append(f"a request to another origin: {request.url[:200]}")

    def _answered(self, response: Response) -> None:
        wrong = of_policy(response.headers.get("content-security-policy"))
        self.found += [f"{response.url}: {one}" for one in wrong]
        if response.status >= 400 and response.status not in self.expected:
            self.found.append(f"{response.url} answered {response.status}")
        if response.request.is_navigation_request() and response.status not in range(300, 400):
            self.documents.append(response)

    def faults(self, axe: str) -> list[str]:
        """All that is wrong with what the page shows now, and with all that it did until now.

        It is looked at in light and dark and at each width; axe judges the widest in both themes
        and the narrowest in the dark.
        """
        found = of_markup(self.documents[-1].text())
        self.page.evaluate(axe)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            for theme in THEMES:
                self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                if (width, theme) == (min(WIDTHS), "light"):
                    continue
                found += [f"{width} px, {theme}: {one}" for one in self.page.evaluate(_AXE)]
            found += [f"wider than {width} px: {one}" for one in self.page.evaluate(_TOO_WIDE)]
        return found + self.found
