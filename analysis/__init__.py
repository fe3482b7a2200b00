"""The paper's arithmetic and its artefacts: equations, costs, tables and figures; ``python -m analysis`` makes all."""
