"""`emotions`: what a file of predictions says about expressions."""

from pathlib import Path

from fkd_helpers.core.errors import InputError, unknown

PICTURES = (".png", ".jpg", ".svg", ".pdf")


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("emotions", help="emotions of predicted keypoints: class balance, features")
    parser.add_argument("--predictions", required=True, metavar="FILE", help="of train or predict: CSV, JSON, Parquet")
    parser.add_argument("--fill", action="store_true", help="write the column 'emotion' into that CSV file")
    parser.add_argument("--picture", metavar="FILE.png", help="draw the features' histograms")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.emotion.rules import changes, emotion_labels
    from fkd_helpers.emotion.table import balance, fill_emotions, histograms, read_predictions, spread

    picture = Path(options.picture) if options.picture else None
    if picture and picture.suffix.lower() not in PICTURES:
        raise unknown("--picture suffix", picture.suffix or picture.name, PICTURES)
    if picture and not picture.parent.is_dir():
        raise InputError(f"--picture: no such folder {picture.parent}")
    keypoints = read_predictions(options.predictions)
    labels = fill_emotions(options.predictions) if options.fill else emotion_labels(keypoints)
    print(f"{options.predictions}: {len(labels)} face{'s' * (len(labels) != 1)}")
    print(balance(labels).to_string(formatters={"share": "{:.1%}".format}))
    print("\nchange from the neutral face, % of the distance of the outer eye corners; medians by label")
    print(spread(keypoints, labels).to_string(float_format="{:.1f}".format))
    if picture:
        from fkd_helpers.plots.emotion import feature_histograms

        feature_histograms(histograms(changes(keypoints), labels)).savefig(picture, dpi=100)
        print(f"picture: {picture}")
    return 0
