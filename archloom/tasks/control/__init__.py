"""Visual control: agents that learn from pixels."""
