"""The error tree; each branch has the exit code that the command line returns."""


class TransferlabError(Exception):
    """A problem the user can act on: one sentence that says what, where and what to do."""

    exit_code = 1


class InputError(TransferlabError):
    """The arguments or a YAML file are wrong."""

    exit_code = 2


class UnknownName(InputError):
    """A name that no registry or catalogue holds."""


class DataError(TransferlabError):
    """A domain's files cannot be used."""

    exit_code = 3


class ModelError(TransferlabError):
    """A backbone or an adapter cannot be loaded, trained or saved."""

    exit_code = 4


class EnvironmentProblem(TransferlabError):
    """The machine lacks something: a library, a writable folder, a tracking server."""

    exit_code = 5


class MissingExtra(EnvironmentProblem):
    """An optional library is not installed."""


class TransferlabWarning(UserWarning):
    """Something that the user should know and that stops nothing; never a library's."""
