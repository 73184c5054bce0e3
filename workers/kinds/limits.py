"""What networks that others wrote may have, by the settings."""

from jobyard.shared.config import Settings
from jobyard.workers.networks.architecture import Limits


def network_limits(settings: Settings) -> Limits:
    """The limits of an architecture, uploaded alone or in a model's file."""
    return Limits(settings.max_network_layers, settings.max_network_parameters, settings.max_network_values)
