"""The bundled sample: `harbour.mp4`, and the script that made it."""
