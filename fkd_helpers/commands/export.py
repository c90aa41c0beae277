"""`export`: a network in other formats, each tried against the original."""


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("export", help="write a network as ONNX, torch.export, fp16, int8, and try each")
    parser.add_argument("--model", default="small", help="small (default), expressions, or a .safetensors or .onnx")
    parser.add_argument("--formats", metavar="A,B", help="of onnx, torch, fp16, int8 (default: all that can be)")
    parser.add_argument("--data", default="puppets", help="set to calibrate with and to try on (puppets), such as ytf")
    parser.add_argument("--opset", type=int, metavar="N", help="version of ONNX's operators (the exporter's own)")
    parser.add_argument("--method", default="percentile", help="int8 ranges by: percentile (default), minmax, entropy")
    parser.add_argument("--rounds", type=int, default=25, help="rounds that each median is taken over (25)")
    parser.add_argument("--out", metavar="DIR", default="runs/export", help="where the files go (runs/export)")
    parser.add_argument("--record", metavar="DIR", help="where the record goes (default: printed only)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.export import export_and_compare

    formats = options.formats.split(",") if options.formats else None
    export_and_compare(
        options.model, options.out, formats=formats, data=options.data, opset=options.opset, method=options.method,
        rounds=options.rounds, record=options.record,
    )  # fmt: skip
    return 0
