"""`predict`: keypoints of photos."""


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("predict", help="find the faces and keypoints of photos")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, or folders of photos, with subfolders")
    parser.add_argument("--out", metavar="DIR", help="write the photos with faces drawn on them (default: found)")
    parser.add_argument("--json", action="store_true", help="print boxes, keypoints, emotions: JSON, a line per photo")
    parser.add_argument("--csv", metavar="FILE.csv", help="write a row per face: photo, size, box, emotion, x0, y0 ...")
    resumed = "for one folder of any size: a dataset of a row per face; the same command goes on if interrupted"
    parser.add_argument("--parquet", metavar="DIR.parquet", help=resumed)
    parser.add_argument("--workers", type=int, help="photos that are read at once (default: the cores)")
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument("--whole-image", action="store_true", help="where no face is found, take the image for one")
    whole.add_argument("--crops", action="store_true", help="each photo is the crop of a face: search for none")
    parser.add_argument("--model", default="small", help="a model we ship, or a path to .onnx or .safetensors")
    parser.add_argument("--backend", default="onnx", help="onnx (default) or torch")
    parser.add_argument("--min-score", type=float, help="leave out less sure faces (default: the network's own limit)")
    parser.add_argument("--scale-factor", type=float, default=1.1, help="step between searched face sizes (1.1)")
    parser.add_argument("--min-neighbors", type=int, default=3, help="hits that must agree on a face (3)")
    parser.add_argument("--min-face", type=float, default=0.05, help="smallest face, of the longer side (0.05)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from functools import partial

    from fkd_helpers import predict
    from fkd_helpers.emotion.rules import read_emotion

    find = partial(
        predict.detect_faces, scale_factor=options.scale_factor, min_neighbors=options.min_neighbors,
        min_face=options.min_face,
    )  # fmt: skip
    predictor = predict.KeypointPredictor(
        options.model, backend=options.backend, detectors=(find, predict.detect_tilted), min_score=options.min_score
    )
    failed = predict.predict_paths(
        options.photos, predictor, out=options.out, csv=options.csv, json=options.json, parquet=options.parquet,
        whole_image="always" if options.crops else "fallback" if options.whole_image else "never",
        workers=options.workers, read_emotion=read_emotion,
    )  # fmt: skip
    return 2 if failed else 0
