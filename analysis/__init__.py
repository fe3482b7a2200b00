"""The paper's arithmetic and its artefacts: equations, costs, tables and figures, each a command of its own."""
