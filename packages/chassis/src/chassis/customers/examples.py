"""The examples on the page for an API's customers, as programs that run as they stand.

A test takes each from the page of a running server, and runs it. The key is in the environment
variable KEY; EVERY (seconds) and TAG change what an example does, and need not be set.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SHELL, PYTHON, FETCH, MODULE = "curl", "Python", "JavaScript", "JavaScript, client.js"


@dataclass(frozen=True, slots=True)
class Sample:
    """What the examples are about. Paths are below the product's own.

    `listed` is a list that is polled. `edited`, if there is such a thing, is a resource with the
    array of texts `member`, to which the edits add `added`. `asked` is a safe POST with its
    content, if there is one.
    """

    listed: str
    edited: str = ""
    member: str = ""
    added: str = ""
    asked: tuple[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One program. `about` is what it shows: poll, edit, ask or fetch."""

    about: str
    language: str
    source: str

    @property
    def name(self) -> str:
        """Unique on the page; the file to put it in has it, too."""
        return f"{self.about}-{_SUFFIX[self.language].replace('.', '-')}"

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{_WORDS[self.about]} with {self.language}"

    @property
    def file(self) -> str:
        """What to call the file with it."""
        return f"{self.about}.{_SUFFIX[self.language]}"


_WORDS = {"poll": "Poll", "edit": "Edit", "ask": "Ask by POST", "fetch": "Fetch the module"}
_SUFFIX = {SHELL: "sh", PYTHON: "py", FETCH: "mjs", MODULE: "client.mjs"}


def _word(value: str) -> str:
    """As JavaScript and Python both write text."""
    return json.dumps(value)


_QUOTE: Mapping[str, Callable[[str], str]] = {
    SHELL: shlex.quote,
    PYTHON: _word,
    FETCH: _word,
    MODULE: _word,
}
"""How each language writes a text, so that no address can be more than an address."""


def examples(sample: Sample, address: Callable[[str], str], modules: str) -> Iterator[Example]:
    """Every example about the sample.

    `address` makes a whole address of a path of the product; `modules` is where `client.js` is.
    """
    values = {
        "<listed>": address(sample.listed),
        "<edited>": address(sample.edited),
        "<member>": sample.member,
        "<added>": sample.added,
        "<modules>": modules,
    }
    if sample.asked is not None:
        path, content = sample.asked
        values |= {"<asked>": address(path), "<content>": json.dumps(content)}
    for (about, language), source in _SOURCES.items():
        if {"ask": sample.asked, "edit": sample.edited}.get(about, True):
            yield Example(about, language, _filled(source.strip(), values, _QUOTE[language]))


def _filled(source: str, values: Mapping[str, str], quote: Callable[[str], str]) -> str:
    """In one pass, so that nothing is filled into what was filled in."""
    return _BLANK.sub(lambda found: quote(values[found[0]]), source)


_BLANK = re.compile("<(?:listed|edited|member|added|asked|content|modules)>")

_SOURCES = {
    ("poll", SHELL): """
# Keeps the content and its tag in files, and asks only whether there is anything new.
url=<listed>
for round in 1 2 3; do
  curl --silent --show-error --fail --header "Authorization: Bearer $KEY" \\
    --etag-compare tag.txt --etag-save tag.txt --output kept.json \\
    --write-out '%{http_code}\\n' "$url"
  sleep "${EVERY:-5}"
done
""",
    ("poll", PYTHON): """
import os
import time

import httpx

url = <listed>
every = float(os.environ.get("EVERY", "5"))
with httpx.Client(headers={"Authorization": f"Bearer {os.environ['KEY']}"}) as client:
    tag, kept = None, None
    for _ in range(3):
        answer = client.get(url, headers={"If-None-Match": tag} if tag else {})
        print(answer.status_code)
        if answer.status_code != 304:  # 304 has no content: what is kept is current
            answer.raise_for_status()
            tag, kept = answer.headers["ETag"], answer.json()
        time.sleep(every)
""",
    ("poll", FETCH): """
const url = <listed>;
const every = 1000 * (process.env.EVERY ?? 5);
let tag = null, kept = null;
for (let round = 0; round < 3; round += 1) {
  const headers = { Authorization: `Bearer ${process.env.KEY}` };
  if (tag) headers["If-None-Match"] = tag;
  const answer = await fetch(url, { headers, cache: "no-store" });
  console.log(answer.status);
  if (answer.status !== 304) { // 304 has no content: what is kept is current
    if (!answer.ok) throw new Error(await answer.text());
    [tag, kept] = [answer.headers.get("ETag"), await answer.json()];
  }
  await new Promise((done) => setTimeout(done, every));
}
""",
    ("poll", MODULE): """
import { Client } from "./client.js";

const url = <listed>;
const every = 1000 * (process.env.EVERY ?? 5);
const client = new Client({ headers: { Authorization: `Bearer ${process.env.KEY}` } });
const enough = new AbortController();
let rounds = 0;
function answered({ status }) {
  console.log(status);
  rounds += 1;
  if (rounds === 3) enough.abort();
}
for await (const { value } of client.poll(url, { every, answered, signal: enough.signal })) {
  console.error(`new: ${value.items.length} items`); // only when something changed
}
""",
    ("edit", SHELL): """
# Opens what is there in your editor, and saves it only on the state that you saw.
url=<edited>
for try in 1 2 3 4 5 6 7 8; do
  curl --silent --show-error --fail --header "Authorization: Bearer $KEY" \\
    --etag-save tag.txt --output state.json "$url" || exit 1
  ${EDITOR:-vi} state.json
  status=$(curl --silent --show-error --header "Authorization: Bearer $KEY" \\
    --request PUT --header "Content-Type: application/json" --data-binary @state.json \\
    --header "If-Match: $(cat tag.txt)" \\
    --output answer.json --write-out '%{http_code}' "$url")
  echo "$status"
  [ "$status" = 412 ] || break # 412: somebody was quicker, so make the change on their state
  sleep "0.$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')"
done
""",
    ("edit", PYTHON): """
import os
import random
import time

import httpx

url = <edited>
added = os.environ.get("TAG", <added>)
with httpx.Client(headers={"Authorization": f"Bearer {os.environ['KEY']}"}) as client:
    for tried in range(8):
        read = client.get(url).raise_for_status()
        state = read.json()
        if added not in state[<member>]:
            state[<member>].append(added)  # your change, made on what is there now
        saved = client.put(
            url,
            json=state,
            headers={"If-Match": read.headers["ETag"]},
        )
        print(saved.status_code)
        if saved.status_code != 412:  # 412: somebody was quicker, and nothing was overwritten
            break
        time.sleep(random.uniform(0, 0.05 * 2**tried))
    saved.raise_for_status()
    print(*saved.json()[<member>])
""",
    ("edit", FETCH): """
const url = <edited>;
const added = process.env.TAG ?? <added>;
const headers = { Authorization: `Bearer ${process.env.KEY}` };
let saved;
for (let tried = 0; tried < 8; tried += 1) {
  const read = await fetch(url, { headers, cache: "no-store" });
  if (!read.ok) throw new Error(await read.text());
  const state = await read.json();
  state[<member>] = [...new Set([...state[<member>], added])]; // your change, on what is there now
  saved = await fetch(url, {
    method: "PUT",
    body: JSON.stringify(state),
    headers: {
      ...headers,
      "Content-Type": "application/json",
      "If-Match": read.headers.get("ETag"),
    },
  });
  console.log(saved.status);
  if (saved.status !== 412) break; // 412: somebody was quicker, and nothing was overwritten
  await new Promise((done) => setTimeout(done, Math.random() * 50 * 2 ** tried));
}
if (!saved.ok) throw new Error(await saved.text());
console.log(...(await saved.json())[<member>]);
""",
    ("edit", MODULE): """
import { Client, Conflict } from "./client.js";
import { parse, stringify } from "./json.js"; // keeps 1.0 and long integers as they are

const url = <edited>;
const added = process.env.TAG ?? <added>;
const headers = { Authorization: `Bearer ${process.env.KEY}` };
const client = new Client({ headers, parse, stringify });
const change = (state) => ({
  ...state,
  [<member>]: [...new Set([...state[<member>], added])],
});
let edited = null;
while (edited === null) {
  try {
    edited = await client.edit(url, change); // others' changes are merged in
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    console.log(412); // both added to the same list: the change is made anew, on theirs
  }
}
console.log(edited.status);
console.log(...edited.value[<member>]);
""",
    ("ask", SHELL): """
# A POST that only reads: its tag is for this question, and saves the answer when nothing is new.
url=<asked>
for round in 1 2 3; do
  curl --silent --show-error --fail --header "Authorization: Bearer $KEY" \\
    --header "Content-Type: application/json" --data <content> \\
    --etag-compare asked.txt --etag-save asked.txt --output asked.json \\
    --write-out '%{http_code}\\n' "$url"
  sleep "${EVERY:-5}"
done
""",
    ("ask", PYTHON): """
import json
import os
import time

import httpx

url = <asked>
content = json.loads(<content>)
every = float(os.environ.get("EVERY", "5"))
with httpx.Client(headers={"Authorization": f"Bearer {os.environ['KEY']}"}) as client:
    tag, kept = None, None
    for _ in range(3):
        answer = client.post(url, json=content, headers={"If-None-Match": tag} if tag else {})
        print(answer.status_code)
        if answer.status_code != 304:
            answer.raise_for_status()
            tag, kept = answer.headers["ETag"], answer.json()
        time.sleep(every)
""",
    ("ask", FETCH): """
const url = <asked>;
const every = 1000 * (process.env.EVERY ?? 5);
let tag = null, kept = null;
for (let round = 0; round < 3; round += 1) {
  const headers = {
    Authorization: `Bearer ${process.env.KEY}`,
    "Content-Type": "application/json",
  };
  if (tag) headers["If-None-Match"] = tag;
  const answer = await fetch(url, { method: "POST", headers, body: <content> });
  console.log(answer.status);
  if (answer.status !== 304) {
    if (!answer.ok) throw new Error(await answer.text());
    [tag, kept] = [answer.headers.get("ETag"), await answer.json()];
  }
  await new Promise((done) => setTimeout(done, every));
}
""",
    ("fetch", SHELL): """
# The three modules, beside your own: no package, no build step.
modules=<modules>
curl --silent --show-error --fail --remote-name-all \\
  "$modules/client.js" "$modules/merge.js" "$modules/json.js"
""",
}
"""In `<...>` stands what is filled in, as the language writes a text."""
