"""A list of published weights with small models, and their files on a server."""

import torch
import yaml

import vswin
from tests.checkpoints import IMAGE, VIDEO
from tests.peers import randomise_
from vswin.weights import published

SMALL = {
    name: list(value) if isinstance(value, tuple) else value
    for name, value in VIDEO.items()
    if name != "num_classes"
}


def publish(server, folder, monkeypatch):
    """Puts small models in the place of three published files; returns their models by name.

    Their names are those of the list; everything else knows no difference.
    """
    known = yaml.safe_load(published.LIST.read_text())
    models = {}
    for name, options, layout in (
        ("swin_t:kinetics400", VIDEO | {"num_classes": 10}, "official_video"),
        ("swin_t:kinetics400_torchvision", VIDEO, "torchvision"),
        ("swin_t:imagenet_1k", IMAGE, "official_2d"),
    ):
        torch.manual_seed(0)
        models[name] = randomise_(vswin.build_model("swin_t", **options))
        (entry,) = (e for e in known["files"] if f"{e.get('preset')}:{e.get('tag')}" == name)
        file = folder / entry["file"]
        vswin.save_weights(models[name], file, layout)
        server.files[f"/weights/{file.name}"] = file.read_bytes()
        file.unlink()
        classes = {} if options is IMAGE else {"num_classes": options["num_classes"]}
        entry["model"] = SMALL | classes
        entry.pop("digest", None)
    (folder / "published.yaml").write_text(yaml.safe_dump(known))
    monkeypatch.setattr(published, "LIST", folder / "published.yaml")
    monkeypatch.setenv("VSWIN_WEIGHTS_MIRROR", f"{server.address}/weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return models
