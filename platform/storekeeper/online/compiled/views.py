"""How a view is read, by what kind of view it is."""

from storekeeper.online.compiled.answers import CompiledView
from storekeeper.online.compiled.latest_view import LatestView
from storekeeper.online.compiled.windowed_view import WindowedView
from storekeeper.online.view_state import ViewState


def compile_view(state: ViewState, features: tuple[str, ...]) -> CompiledView:
    """What reads some features of a view."""
    return WindowedView(state, features) if state.plan.is_windowed else LatestView(state, features)
