"""Networks of the papers in plain torch, at the papers' sizes; the model zoo traces them."""
