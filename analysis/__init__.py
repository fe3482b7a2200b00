"""The paper's arithmetic and its artefacts: equations, costs, tables and figures; ``python -m analysis`` makes all."""

from replication.commands import explain

INSTEAD = {
    "analysis": "analysis",
    "analysis.claims": "analysis.claims",
    "analysis.cost": "analysis.cost_ratio",
    "analysis.networks": "analysis.networks",
    "analysis.networks.counter": "analysis.count",
    "analysis.networks.operators": "analysis.count",
    "analysis.networks.lightened": "analysis.lighten",
}
"""As `replication.commands.INSTEAD`, for this package."""

explain(INSTEAD)
