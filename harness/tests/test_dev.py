"""What `python3 dev.py run` hands on to `quartet serve`."""

import pytest

import dev


@pytest.mark.parametrize(
    ("words", "variables", "given"),
    [
        ([], {}, True),
        (["--port", "9000"], {}, True),
        ([], {"QUARTET_DATA": ""}, True),
        (["--data", "elsewhere"], {}, False),
        (["--data=elsewhere"], {}, False),
        ([], {"QUARTET_DATA": "elsewhere"}, False),
    ],
)
def test_the_data_is_in_var_unless_somebody_says_otherwise(
    words: list[str], variables: dict[str, str], given: bool
) -> None:
    """On the command line or in the environment; an empty variable counts as none."""
    served = dev.served(words, variables)
    assert served[-len(words) :] == words or not words
    assert (len(served) > len(words)) is given
    if given:
        assert served[0] == "--data"
        assert served[1].endswith("var")
