"""Programs and edge clusters: task graphs, devices, their formats, and instances drawn as GiPH draws them."""
