"""What sources hold, hashed once in a run however many views read them."""

from collections.abc import Sequence
from datetime import datetime

from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.sources.fingerprint import source_fingerprints


class Fingerprints:
    """Fingerprints of the sources of some views; each source is read once for an instant, and only if asked for.

    Parameters
    ----------
    plans
        The views that will be asked about. Others' sources are read for them alone.
    """

    def __init__(self, config: RepoConfig, plans: Sequence[ViewPlan]) -> None:
        self._config, self._plans = config, {plan.name: plan for plan in plans}
        self._found: dict[tuple[str, datetime], str] = {}

    def of(self, plan: ViewPlan, until: datetime) -> str:
        """The fingerprint of a view's source up to an instant."""
        if (plan.name, until) not in self._found:
            alike = [other for other in self._plans.values() if _same_source(other, plan)] or [plan]
            ties = [other.ties for other in alike]
            found = source_fingerprints(plan.source, self._config, until, ties)
            self._found |= {(other.name, until): one for other, one in zip(alike, found, strict=True)}
        return self._found[plan.name, until]


def _same_source(plan: ViewPlan, other: ViewPlan) -> bool:
    # Feast writes into its message when a source was made; what it declares is what is compared.
    return type(plan.source) is type(other.source) and bool(plan.source == other.source)
