"""Plausible wrong answers to the exercises of notebook 04."""

import numpy as np
import torch


def place(weights):
    shares = weights / weights.sum()
    cells = np.arange(len(shares))
    return np.array([(shares.sum(0) * cells).sum(), (shares.sum(1) * cells).sum()])


def soft_place(heat):
    return place(np.exp(heat - heat.max()))


def by_person(values, people, how):
    return [how(values[people == person]) for person in np.unique(people)]


@torch.no_grad()
def stays_in_eval(net, images):
    return net.eval()(images)


@torch.no_grad()
def always_back_to_train(net, images):
    answers = net.eval()(images)
    net.train()
    return answers


def keeps_gradients(net, images):
    was, answers = net.training, net.eval()(images)
    net.train(was)
    return answers


WRONG = {
    "predict": [stays_in_eval, always_back_to_train, keeps_gradients, torch.no_grad()(lambda net, images: net(images))],
    "soft_argmax": [
        lambda h: soft_place(h)[::-1],  # y first
        lambda h: np.unravel_index(h.argmax(), h.shape)[::-1],  # the highest cell
        lambda h: place(h - h.min() + 1e-9),  # no exponential
        lambda h: place(np.exp(np.minimum(h, 700))),  # too large a number for exp, cut off
    ],
    "one_draw": [
        lambda v, people, drawn: v[np.isin(people, drawn)].mean(),  # twice drawn counts once
        lambda v, people, drawn: np.mean([v[people == one].mean() for one in drawn]),  # a person counts as one
    ],
    "price_of_new": [
        lambda a, b, in_a: b - a,  # the folds play no part
        lambda a, b, in_a: np.where(in_a, b, a),  # the error on new people alone
    ],
    "paired_gain": [
        lambda a, b, people: a - b,  # per frame
        lambda a, b, people: by_person(a - b, people, lambda values: values[0]),  # the first frame only
    ],
}
