"""Networks of the papers in plain torch, which the model zoo traces at the papers' sizes."""
