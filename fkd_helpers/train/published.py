"""The fifteen published runs of a classic course solution: what they were, and what was reported of them."""

# net, batch size, loss, optimiser, learning rate, epochs, final training loss, seconds (RTX 2060).
PUBLISHED = (
    ("A", 10, "mse", "adam", 1e-3, 1, 0.1812, 21.4),
    ("A", 20, "mse", "adam", 1e-3, 1, 0.2386, 20.2),
    ("A", 50, "mse", "adam", 1e-3, 1, 0.1832, 18.2),
    ("A", 50, "mse", "adam", 1e-3, 10, 0.1157, 189.4),
    ("A", 50, "l1", "adam", 1e-3, 1, 0.3383, 18.0),
    ("A", 50, "l1", "adam", 1e-3, 10, 0.2487, 176.8),
    ("A", 50, "smooth_l1", "adam", 1e-3, 1, 0.1004, 21.6),
    ("A", 50, "smooth_l1", "adam", 1e-3, 10, 0.0480, 174.5),
    ("A", 10, "mse", "sgd", 1e-3, 1, 0.6545, 20.4),
    ("A", 10, "mse", "sgd", 1e-2, 1, 0.5305, 20.1),
    ("A", 50, "mse", "sgd", 1e-2, 1, 0.6179, 18.3),
    ("A", 50, "mse", "sgd", 1e-2, 10, 0.2122, 174.3),
    ("A", 50, "smooth_l1", "adam", 1e-3, 50, 0.2545, 915.4),
    ("B", 50, "smooth_l1", "adam", 1e-3, 50, 0.0119, 1024.4),
    ("B", 50, "smooth_l1", "adam", 1e-3, 500, 0.0081, 10691.3),
)
NETS = {"A": "course_cnn", "B": "course_cnn_large"}
