"""The works that the built-in plugins cite, as BibTeX fields, by arXiv id, DOI or the words of a ``reference``.

Titles, authors and years are those of the published papers. A plugin's work that is not here is still cited, by what its
reference says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """A work: its key, its kind, and its fields in BibTeX's own words (braces keep capitals)."""

    key: str
    kind: str
    fields: Mapping[str, str]


def _arxiv(number: str) -> dict[str, str]:
    return {"eprint": number, "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{number}"}


WORKS: Mapping[str, Work] = {
    "Sutskever et al. 2013": Work(
        "sutskever2013momentum",
        "inproceedings",
        {
            "author": "Sutskever, Ilya and Martens, James and Dahl, George and Hinton, Geoffrey",
            "title": "On the importance of initialization and momentum in deep learning",
            "booktitle": "Proceedings of the 30th International Conference on Machine Learning",
            "series": "Proceedings of Machine Learning Research",
            "volume": "28",
            "pages": "1139--1147",
            "year": "2013",
            "url": "https://proceedings.mlr.press/v28/sutskever13.html",
        },
    ),
    "arXiv:1412.6980": Work(
        "kingma2015adam",
        "inproceedings",
        {
            "author": "Kingma, Diederik P. and Ba, Jimmy",
            "title": "{Adam}: A Method for Stochastic Optimization",
            "booktitle": "International Conference on Learning Representations",
            "year": "2015",
            **_arxiv("1412.6980"),
        },
    ),
    "arXiv:1711.05101": Work(
        "loshchilov2019adamw",
        "inproceedings",
        {
            "author": "Loshchilov, Ilya and Hutter, Frank",
            "title": "Decoupled Weight Decay Regularization",
            "booktitle": "International Conference on Learning Representations",
            "year": "2019",
            **_arxiv("1711.05101"),
        },
    ),
    "Dozat 2016": Work(
        "dozat2016nadam",
        "inproceedings",
        {
            "author": "Dozat, Timothy",
            "title": "Incorporating {Nesterov} Momentum into {Adam}",
            "booktitle": "International Conference on Learning Representations, Workshop Track",
            "year": "2016",
        },
    ),
    "Hinton 2012": Work(
        "tieleman2012rmsprop",
        "misc",
        {
            "author": "Tieleman, Tijmen and Hinton, Geoffrey",
            "title": "Lecture 6.5, {RMSProp}: Divide the gradient by a running average of its recent magnitude",
            "howpublished": "Coursera: Neural Networks for Machine Learning",
            "year": "2012",
        },
    ),
    "Duchi et al. 2011": Work(
        "duchi2011adagrad",
        "article",
        {
            "author": "Duchi, John and Hazan, Elad and Singer, Yoram",
            "title": "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
            "journal": "Journal of Machine Learning Research",
            "volume": "12",
            "pages": "2121--2159",
            "year": "2011",
        },
    ),
    "Liu & Nocedal 1989": Work(
        "liu1989lbfgs",
        "article",
        {
            "author": "Liu, Dong C. and Nocedal, Jorge",
            "title": "On the limited memory {BFGS} method for large scale optimization",
            "journal": "Mathematical Programming",
            "volume": "45",
            "pages": "503--528",
            "year": "1989",
            "doi": "10.1007/BF01589116",
        },
    ),
    "arXiv:2302.06675": Work(
        "chen2023lion",
        "misc",
        {
            "author": "Chen, Xiangning and Liang, Chen and Huang, Da and Real, Esteban and Wang, Kaiyuan and others",
            "title": "Symbolic Discovery of Optimization Algorithms",
            "year": "2023",
            **_arxiv("2302.06675"),
        },
    ),
    "Jordan et al. 2024": Work(
        "jordan2024muon",
        "misc",
        {
            "author": "Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and Newhouse, Laker and Bernstein, Jeremy",
            "title": "{Muon}: An optimizer for hidden layers in neural networks",
            "year": "2024",
            "url": "https://kellerjordan.github.io/posts/muon/",
        },
    ),
    "arXiv:2010.01412": Work(
        "foret2021sam",
        "inproceedings",
        {
            "author": "Foret, Pierre and Kleiner, Ariel and Mobahi, Hossein and Neyshabur, Behnam",
            "title": "Sharpness-Aware Minimization for Efficiently Improving Generalization",
            "booktitle": "International Conference on Learning Representations",
            "year": "2021",
            **_arxiv("2010.01412"),
        },
    ),
    "arXiv:2405.15682": Work(
        "defazio2024schedulefree",
        "misc",
        {
            "author": "Defazio, Aaron and Yang, Xingyu Alice and Mehta, Harsh and Mishchenko, Konstantin and Khaled, Ahmed and Cutkosky, Ashok",
            "title": "The Road Less Scheduled",
            "year": "2024",
            **_arxiv("2405.15682"),
        },
    ),
    "arXiv:2306.06101": Work(
        "mishchenko2023prodigy",
        "misc",
        {
            "author": "Mishchenko, Konstantin and Defazio, Aaron",
            "title": "{Prodigy}: An Expeditiously Adaptive Parameter-Free Learner",
            "year": "2023",
            **_arxiv("2306.06101"),
        },
    ),
    "Polyak & Juditsky 1992": Work(
        "polyak1992averaging",
        "article",
        {
            "author": "Polyak, Boris T. and Juditsky, Anatoli B.",
            "title": "Acceleration of Stochastic Approximation by Averaging",
            "journal": "SIAM Journal on Control and Optimization",
            "volume": "30",
            "number": "4",
            "pages": "838--855",
            "year": "1992",
            "doi": "10.1137/0330046",
        },
    ),
    "arXiv:1608.03983": Work(
        "loshchilov2017sgdr",
        "inproceedings",
        {
            "author": "Loshchilov, Ilya and Hutter, Frank",
            "title": "{SGDR}: Stochastic Gradient Descent with Warm Restarts",
            "booktitle": "International Conference on Learning Representations",
            "year": "2017",
            **_arxiv("1608.03983"),
        },
    ),
    "arXiv:1803.09820": Work(
        "smith2018disciplined",
        "misc",
        {
            "author": "Smith, Leslie N.",
            "title": "A disciplined approach to neural network hyper-parameters: Part 1 -- learning rate, batch size, momentum, and weight decay",
            "year": "2018",
            **_arxiv("1803.09820"),
        },
    ),
    "arXiv:2310.07831": Work(
        "defazio2023refinement",
        "misc",
        {
            "author": "Defazio, Aaron and Cutkosky, Ashok and Mehta, Harsh and Mishchenko, Konstantin",
            "title": "When, Why and How Much? Adaptive Learning Rate Scheduling by Refinement",
            "year": "2023",
            **_arxiv("2310.07831"),
        },
    ),
    "arXiv:1512.03385": Work(
        "he2016resnet",
        "inproceedings",
        {
            "author": "He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian",
            "title": "Deep Residual Learning for Image Recognition",
            "booktitle": "IEEE Conference on Computer Vision and Pattern Recognition",
            "year": "2016",
            **_arxiv("1512.03385"),
        },
    ),
    "arXiv:2404.06395": Work(
        "hu2024minicpm",
        "misc",
        {
            "author": "Hu, Shengding and others",
            "title": "{MiniCPM}: Unveiling the Potential of Small Language Models with Scalable Training Strategies",
            "year": "2024",
            **_arxiv("2404.06395"),
        },
    ),
    "arXiv:1912.01703": Work(
        "paszke2019pytorch",
        "inproceedings",
        {
            "author": "Paszke, Adam and Gross, Sam and Massa, Francisco and others",
            "title": "{PyTorch}: An Imperative Style, High-Performance Deep Learning Library",
            "booktitle": "Advances in Neural Information Processing Systems",
            "year": "2019",
            **_arxiv("1912.01703"),
        },
    ),
    "Wightman 2019": Work(
        "wightman2019timm",
        "misc",
        {
            "author": "Wightman, Ross",
            "title": "{PyTorch} Image Models",
            "year": "2019",
            "doi": "10.5281/zenodo.4414861",
            "url": "https://github.com/huggingface/pytorch-image-models",
        },
    ),
    "Kim 2021": Work(
        "kim2021pytorchoptimizer",
        "misc",
        {
            "author": "Kim, Hyeongchan",
            "title": "pytorch\\_optimizer: optimizer \\& lr scheduler \\& loss function collections in {PyTorch}",
            "year": "2021",
            "url": "https://github.com/kozistr/pytorch_optimizer",
        },
    ),
}
LIBRARIES = {  # by the module in a reference such as torch.optim.radam.RAdam
    "torch": "arXiv:1912.01703",
    "timm": "Wightman 2019",
    "pytorch_optimizer": "Kim 2021",
}
