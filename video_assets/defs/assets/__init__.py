"""The assets, one module each: name, group, inputs. How an artifact is made is not here but in `recipes`."""
