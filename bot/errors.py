"""Every exception FlowForge raises on purpose.

::

    FlowForgeError
    ├── BadInputError            somebody's input is wrong; the message is shown to them
    │   ├── PayloadError         a delivery that does not decode
    │   ├── MarkersError         conflict markers that cannot be told apart from the file's own lines
    │   └── ConfigError          .flowforge.yml: path, line and key
    ├── ForgeError               the forge did not do what was asked
    │   ├── ForgeUnavailableError   try again, at the earliest after ``retry_after`` seconds
    │   │   ├── ForgeLimitedError       nothing failed: so much may not be asked of the forge before that
    │   │   └── TokenLostError          the forge renews our token no more; an operator has to authorize us anew
    │   ├── ForgeRefusedError       a permanent no (4xx); retrying is pointless
    │   └── ForgeNotFoundError      the object is not there, or not for us
    ├── GitError                 git did not do what was asked
    │   ├── GitTimeoutError         a git command outlived its limit
    │   ├── TreeRefusedError        the repository holds what we do not touch; trying again is pointless
    │   ├── LeaseRejectedError      the remote ref is not where we expected it
    │   └── PushRefusedError        the remote refuses the push (protected branch, missing permission)
    ├── SandboxError             a sandbox could not be started or observed; no fault of the agent
    │   ├── SandboxRefusedError     it can never be started like this; trying again is pointless
    │   └── SandboxHeldBackError    none may be started now; nothing went wrong, and whoever wants one waits
    ├── ModelError               a direct call of the model failed, or its answer cannot be used
    ├── IngestError              what came out of a sandbox is not acceptable
    ├── StoreError
    │   ├── StoreUnavailableError   the database did not answer
    │   ├── FencingLostError        somebody else holds the job now; drop everything
    │   └── IllegalTransitionError  a job cannot go from where it is to where it was asked to go
    └── SettingsError            the process cannot start with these settings
"""


class FlowForgeError(Exception):
    """The root: catching this catches all that FlowForge raises on purpose."""


class BadInputError(FlowForgeError):
    """Somebody's input is wrong; ``str(error)`` says what and what to do."""


class PayloadError(BadInputError):
    """A delivery's body is not what the forge documents."""


class ConfigError(BadInputError):
    """A repository's configuration is wrong.

    Attributes:
        path: the file, as in the repository.
        line: 1-based line of the fault, or None where the whole file is meant.
        key: the dotted key of the fault, or None.
    """

    def __init__(self, message: str, *, path: str, line: int | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line
        self.key = key


class MarkersError(BadInputError):
    """A file's conflict markers are not as git writes them; the message names the path, the line and the fault."""


class ForgeError(FlowForgeError):
    """The forge did not do what was asked."""


class ForgeUnavailableError(ForgeError):
    """The forge is away, overloaded or limiting us.

    Attributes:
        retry_after: seconds to wait before the next attempt.
    """

    def __init__(self, message: str, *, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForgeLimitedError(ForgeUnavailableError):
    """More was asked for than the forge gives, or than is left for such wishes; nothing was done and nothing failed."""


class TokenLostError(ForgeUnavailableError):
    """The forge does not renew our token any more, until an operator authorizes us anew. What waits is not lost."""


class ForgeRefusedError(ForgeError):
    """The forge says no for good.

    Attributes:
        status: the HTTP status of the answer.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ForgeNotFoundError(ForgeError):
    """The object does not exist, or this installation may not see it."""


class GitError(FlowForgeError):
    """A git command failed; the message holds its redacted standard error."""


class GitTimeoutError(GitError):
    """A git command outlived its limit and was killed."""


class TreeRefusedError(GitError):
    """A tree has a name that no checkout may have, or is too large or too deep; it will not get better."""


class LeaseRejectedError(GitError):
    """The remote ref moved: the lease of a push did not hold."""


class PushRefusedError(GitError):
    """The remote refuses the push whatever its lease (protected branch, permission, hook)."""


class SandboxError(FlowForgeError):
    """A sandbox could not be started or observed: infrastructure, not the agent."""


class SandboxRefusedError(SandboxError):
    """A sandbox can never be started like this: the message says what an operator has to change."""


class SandboxHeldBackError(SandboxError):
    """No sandbox may be started now: nothing was begun and nothing is lost. The message is for the operator."""


class ModelError(FlowForgeError):
    """A direct call of the model failed, or its answer cannot be used.

    Attributes:
        outcome: the name of the ``RunOutcome`` that the failure amounts to, such as ``model_overloaded``.
    """

    def __init__(self, message: str, *, outcome: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class IngestError(FlowForgeError):
    """The result of a sandbox breaks a rule of ingestion; the message names the rule and the path."""


class StoreError(FlowForgeError):
    """The database refused or failed."""


class StoreUnavailableError(StoreError):
    """The database did not answer."""


class BusyError(StoreError):
    """Another worker is at it just now; the delivery is routed again in a moment."""


class FencingLostError(StoreError):
    """The lease on a job passed to somebody else; this holder must stop at once."""


class IllegalTransitionError(StoreError):
    """The job is not in the state that the change started from."""


class SettingsError(FlowForgeError):
    """The settings do not allow this process to start; the message names the setting."""
