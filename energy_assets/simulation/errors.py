"""What a caller can ask for that cannot be simulated. The message names the remedy."""


class SimulationError(ValueError):
    """An impossible fleet, an unknown name, or a folder that holds another fleet."""
