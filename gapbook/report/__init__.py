"""A report on one model: what it says (``model``, ``explain``, ``payoff``, ``references``), as page and as text."""
