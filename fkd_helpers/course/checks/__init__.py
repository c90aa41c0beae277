"""Self-checks of the exercises: a function in, a verdict out. A check never raises, so "Run All" goes on."""

from fkd_helpers.course.checks.capstone import own_filter, own_rule, practice_faces
from fkd_helpers.course.checks.nb01 import face_box, features, flip_keypoints, frames_of, resize_keypoints
from fkd_helpers.course.checks.nb02 import (
    CentreCrop,
    MirroredDataset,
    conv_block,
    evaluate,
    practice_loader,
    tiny_net,
)
from fkd_helpers.course.checks.nb03 import masked_l1, momentum_step, smooth, summary_row, warmup_cosine
from fkd_helpers.course.checks.nb04 import one_draw, paired_gain, predict, price_of_new, soft_argmax
from fkd_helpers.course.checks.nb05 import back_to_frame, crop_square, keep_best, rectangle_sum
from fkd_helpers.course.checks.nb06 import blend, lip_colour, other_face, two_point_map
from fkd_helpers.course.checks.nb07 import balanced_accuracy, mouth_opening, paired_interval, upright_picture
from fkd_helpers.course.checks.nb08 import latest_wins, picture_age, steady, toggle_button
from fkd_helpers.course.checks.nb09 import leaked, masked_loss, rmse_by_point, shortcut
from fkd_helpers.course.checks.nb10 import concordance, freeze, kappa, multi_task_loss
from fkd_helpers.course.checks.nb11 import calibration_reader, largest_difference, status_for, through_int8
from fkd_helpers.course.checks.nb12 import all_reduce, expected_hours, speedup, whole_mean
