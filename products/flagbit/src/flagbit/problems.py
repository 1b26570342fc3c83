"""The types of problem that only FlagBit has."""

from __future__ import annotations

from chassis.problem_types import ProblemType

_ERRORS = "the places that are not accepted"

PROBLEMS = (
    ProblemType(
        "preflight-refused",
        (400,),
        "A page of another origin asked whether it may send something to OFREP that it may not.",
        "Use POST, and of the fields that need leave only those that the detail names.",
        "Pages of other origins may not do that (method). Use POST, and of the fields that need "
        "leave only Authorization, Content-Type, If-None-Match, X-API-Key.",
    ),
    ProblemType(
        "no-environment",
        (403,),
        "OFREP was asked with a key that is for no environment, so there is nothing to evaluate.",
        "Make a server or client key of the environment, and use that.",
        "A key with the role admin is for no environment, so there is nothing to evaluate. Make a "
        "server or client key: POST /flagbit/api/v1/keys.",
    ),
    ProblemType(
        "environment-gone",
        (403,),
        "OFREP was asked with a key whose environment was deleted.",
        "Make a key for another environment.",
        "This key is for the environment staging, which is not there any more. Make a key for "
        "another one: POST /flagbit/api/v1/keys.",
    ),
    ProblemType(
        "flag-not-found",
        (404,),
        "There is no such flag.",
        "Correct its key, or create it with If-None-Match: *.",
        "There is no flag 'dark-mood'. GET /flagbit/api/v1/flags lists what there is.",
    ),
    ProblemType(
        "state-not-found",
        (404,),
        "There is no such flag, or no such environment.",
        "Correct the key that the detail names.",
        "There is no environment 'stage'. GET /flagbit/api/v1/environments lists what there is.",
    ),
    ProblemType(
        "environment-not-found",
        (404,),
        "There is no such environment.",
        "Correct its key; the list of environments has those that there are.",
        "There is no environment 'stage'. GET /flagbit/api/v1/environments lists what there is.",
        {
            "environment": ("the key that a query named", "stage"),
            "errors": (
                "the place in the query, where a query named it",
                [{"in": "query", "name": "environment", "detail": "There is no environment …"}],
            ),
        },
    ),
    ProblemType(
        "project-not-found",
        (404,),
        "There is no such project, or the key is for another.",
        "Correct its key, or use a key of that project.",
        "There is no project 'shop'. GET /flagbit/api/v1/projects lists what there is.",
    ),
    ProblemType(
        "flag-exists",
        (409,),
        "A new flag was sent, and its key is taken.",
        "Take another key, or edit the one that is there with If-Match.",
        "There is a flag dark-mode already. Take another key, or edit that one with If-Match.",
    ),
    ProblemType(
        "environment-exists",
        (409,),
        "A new environment was sent, and its key is taken.",
        "Take another key, or edit the one that is there.",
        "There is an environment staging already. Take another key, or edit that one.",
    ),
    ProblemType(
        "flag-archived",
        (409,),
        "The state of an archived flag is kept as it was.",
        "Take the flag out of the archive first, then edit it.",
        "The flag dark-mode is archived, and what it does is kept as it was. Nothing was changed. "
        'To edit it, take it out of the archive first (PATCH {"archived": false}).',
    ),
    ProblemType(
        "flag-in-use",
        (409,),
        "A flag that was set up in an environment and is not archived is not deleted: that would "
        "lose what was set up.",
        "Archive the flag first, then delete it.",
        "The flag has been set up in the environment production, and deleting it would lose that. "
        'Nothing was changed. Archive the flag first (PATCH {"archived": true}), then delete it.',
        {"environment": ("where it is set up", "production")},
    ),
    ProblemType(
        "environment-in-use",
        (409,),
        "An environment in which a flag was set up is not deleted: that would lose what was "
        "set up.",
        "Switch the flag off there and remove its rules, or delete the flag.",
        "The flag dark-mode has been set up in this environment, and deleting it would lose that. "
        "Nothing was changed. Switch the flag off there and remove its rules, or delete the flag, "
        "then delete the environment.",
        {"flag": ("the first flag that is set up there", "dark-mode")},
    ),
    ProblemType(
        "environment-has-keys",
        (409,),
        "An environment that valid keys evaluate is not deleted: their clients would fail.",
        "Revoke the keys first.",
        "Keys that are valid evaluate this environment (2; 'keys' names up to 20). Nothing was "
        "changed. Revoke them first, then delete the environment.",
        {"keys": ("up to twenty of those keys", ["key_Xy12AbCd34", "key_Zz98YxWv76"])},
    ),
    ProblemType(
        "variant-in-use",
        (409,),
        "A variant that would go is served somewhere.",
        "Change that state first.",
        "A variant that would go is served in production: /fallthrough, there is no variant 'on'. "
        "Nothing was changed. Change that state first.",
        {
            "environment": ("where it is served; null where it is the flag itself", "production"),
            "errors": (
                _ERRORS,
                [{"pointer": "/fallthrough", "detail": "there is no variant 'on'"}],
            ),
        },
    ),
    ProblemType(
        "type-is-fixed",
        (409,),
        "A flag's type stays for good, since clients rely on it.",
        "Make a new flag for the other type.",
        "The flag is of type boolean, and stays so for good, since clients rely on it. Nothing was "
        "changed. Make a new flag for the type string.",
    ),
)
