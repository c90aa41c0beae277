"""The 68-point layout, boxes and crops, metrics, photos, head pose, sprites."""
