import sys
from fkd_helpers.core.config import load_config
from fkd_helpers.train.detector import DetectorTask
from fkd_helpers.train.run import run
import torch
torch.set_num_threads(1)
fields = dict(a.split("=",1) for a in sys.argv[2:])
types={"epochs":int,"steps":int,"batch_size":int,"seed":int,"learning_rate":float}
fields={k:types.get(k,str)(v) for k,v in fields.items()}
c=load_config(None,task="detector",**fields)
print(run(DetectorTask(c),c,sys.argv[1],say=lambda s:print(s,flush=True)))
