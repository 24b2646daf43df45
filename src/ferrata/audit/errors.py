"""What can be wrong with the audit."""

from ferrata.infra.errors import Conflict


class ChainBroken(Conflict):
    """The audit is not as it was sealed."""

    code = "chain_broken"
