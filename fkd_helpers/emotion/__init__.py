"""Emotion rules on keypoints; tables of predictions are in `emotion.table`."""

from fkd_helpers.emotion.features import FEATURES, neutral_face, upright
from fkd_helpers.emotion.rules import LABELS, LEARNED_FILE, changes, load_rules, read_emotion, rule_scores
