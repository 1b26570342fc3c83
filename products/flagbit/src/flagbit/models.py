"""The content of requests and answers, as the API's description shows them.

Types and names are checked here; what a flag may say beyond that (variants that exist, values that
fit) is checked by `flagbit.rules`. Members that the server sets may be sent back as they came, so
that what GET gave can be changed and PUT; they are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from flagbit.rules.faults import UNREADABLE


def _saying(sentence: str) -> WrapValidator:
    """In place of what pydantic says of a pattern: its expression means nothing to most people."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            if error.errors()[0]["type"] != "string_pattern_mismatch":
                raise
            raise ValueError(sentence) from error

    return WrapValidator(check)


KeyName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,128}$", description="Letters, digits, `.`, `_`, `-`."),
    _saying("Write 1 to 128 letters, digits, '.', '_' and '-'."),
]
VariantName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    _saying("Write 1 to 64 letters, digits, '.', '_' and '-'."),
]
Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=f"^[^{UNREADABLE}]+$"),
    _saying("It has a character that cannot be seen. Write it in one line that people can read."),
]
Integer = Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]


class Content(BaseModel):
    """Content of a request: every member known, and of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ReadOnly(BaseModel):
    """Members that the server sets."""

    created: str | None = Field(None, description="Set by the server; ignored.")
    updated: str | None = Field(None, description="Set by the server; ignored.")
    revision: int | None = Field(None, description="Set by the server; ignored.")


class Split(Content):
    """Shares of an audience, by weight."""

    split: Annotated[dict[VariantName, int], Field(min_length=1)]
    bucket_by: str = "targetingKey"


class Fixed(Content):
    """One variant for all."""

    variant: VariantName


def _how(served: Any) -> str | None:
    """The tag of the one that was meant. It shows in the place of an error: no member has it."""
    if isinstance(served, Fixed | Split):  # when it is written again
        return "(variant)" if isinstance(served, Fixed) else "(split)"
    if not isinstance(served, dict) or ("variant" in served) == ("split" in served):
        return None
    return "(variant)" if "variant" in served else "(split)"


Serve = Annotated[
    Annotated[Fixed, Tag("(variant)")] | Annotated[Split, Tag("(split)")],
    Discriminator(
        _how,
        custom_error_type="not_one_of_two",
        custom_error_message='It should be an object with either "variant" or "split".',
    ),
]


class Condition(Content):
    """Holds when the attribute compares so with any of the values."""

    attribute: Annotated[str, Field(min_length=1, max_length=256)]
    op: Literal[
        "equals",
        "contains",
        "starts_with",
        "ends_with",
        "lt",
        "lte",
        "gt",
        "gte",
        "before",
        "after",
        "semver_eq",
        "semver_lt",
        "semver_gt",
        "exists",
    ]
    values: list[Any] = []
    negate: bool = False


class Rule(Content):
    """Serves something to those for whom all conditions hold."""

    id: VariantName
    description: Text = ""
    conditions: list[Condition]
    serve: Serve


class FlagContent(Content, ReadOnly):
    """What people edit of a flag."""

    key: KeyName | None = None
    type: Literal["boolean", "string", "integer", "float", "object"]
    description: Text = ""
    tags: list[str] = []
    variants: dict[VariantName, Any]
    default_variant: VariantName
    off_variant: VariantName
    client_visible: bool = Field(False, description="Whether client keys may see it.")
    archived: bool = False


class NewFlag(FlagContent):
    """A flag with its key."""

    key: KeyName


class StateContent(Content, ReadOnly):
    """What people edit of a flag in one environment."""

    flag: KeyName | None = None
    environment: KeyName | None = None
    enabled: bool
    rules: list[Rule] = []
    fallthrough: Serve
    off_variant: VariantName | None = None


class Toggle(Content):
    """On or off; without it the other of the two."""

    enabled: bool | None = None


class EnvironmentContent(Content, ReadOnly):
    """What people edit of an environment."""

    key: KeyName | None = None
    name: Name


class NewEnvironment(EnvironmentContent):
    """An environment with its key."""

    key: KeyName


class ProjectContent(Content, ReadOnly):
    """What people edit of a project."""

    key: KeyName | None = None
    name: Name
    require_conditions: bool = Field(True, description="Whether edits without a condition get 428.")


class FlagDefinition(FlagContent):
    """A flag, and what it does in each environment."""

    key: KeyName
    states: dict[KeyName, StateContent] = {}


class ProjectDefinition(ProjectContent):
    """A project with all that is in it."""

    key: KeyName
    environments: Annotated[list[NewEnvironment], Field(max_length=1000)] = []
    flags: Annotated[list[FlagDefinition], Field(max_length=10_000)] = []


class Export(Content):
    """What an export is, and an import takes."""

    format: Literal["flagbit-export"]
    version: Literal[1]
    projects: Annotated[list[ProjectDefinition], Field(min_length=1, max_length=1000)]


# -- answers ---------------------------------------------------------------------------------------


class Stamps(BaseModel):
    """Members that the server sets."""

    created: str
    updated: str
    revision: int


class ProjectDocument(Stamps):
    key: str
    name: str
    require_conditions: bool


class EnvironmentDocument(Stamps):
    key: str
    name: str


class FlagDocument(Stamps):
    key: str
    type: str
    description: str
    tags: list[str]
    variants: dict[str, Any]
    default_variant: str
    off_variant: str
    client_visible: bool
    archived: bool


class StateDocument(Stamps):
    flag: str
    environment: str
    enabled: bool
    rules: list[dict[str, Any]]
    fallthrough: dict[str, Any]
    off_variant: str | None


class FlagItem(FlagDocument):
    state: StateDocument | None = None


class AuditEntry(BaseModel):
    id: int
    at: str
    actor: str
    key_id: str
    action: str
    kind: str
    flag: str | None
    environment: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    etag: str | None


class Projects(BaseModel):
    items: list[ProjectDocument]
    next: str | None


class Environments(BaseModel):
    items: list[EnvironmentDocument]
    next: str | None


class Flags(BaseModel):
    items: list[FlagItem]
    next: str | None


class Audit(BaseModel):
    items: list[AuditEntry]
    next: str | None


class StateDefinition(BaseModel):
    enabled: bool
    rules: list[dict[str, Any]]
    fallthrough: dict[str, Any]
    off_variant: str | None


class ExportedEnvironment(BaseModel):
    key: str
    name: str


class ExportedFlag(BaseModel):
    key: str
    type: str
    description: str
    tags: list[str]
    variants: dict[str, Any]
    default_variant: str
    off_variant: str
    client_visible: bool
    archived: bool
    states: dict[str, StateDefinition]


class ExportedProject(BaseModel):
    key: str
    name: str
    require_conditions: bool
    environments: list[ExportedEnvironment]
    flags: list[ExportedFlag]


class ExportDocument(BaseModel):
    format: Literal["flagbit-export"]
    version: Literal[1]
    projects: list[ExportedProject]


class ImportedChange(BaseModel):
    action: Literal["created", "changed"]
    kind: Literal["project", "environment", "flag", "state"]
    name: str = Field(description="The keys that lead there, with `/` between.")


class ImportReport(BaseModel):
    dry_run: bool = Field(description="Whether nothing was written.")
    created: int
    changed: int
    unchanged: int
    changes: list[ImportedChange]
    etag: str | None = Field(description="The tag of the export from now on.")
