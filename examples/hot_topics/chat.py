"""Invents what players of an online game say: four files of Chinese chat lines, the same ones for the same seed.

Every line is ``time<TAB>player<TAB>level<TAB>text``. Most lines are what players always talk about: parties, trade, guilds, the arena, help for
beginners. On each day some subjects are new, and they take a larger share of the talk as the day goes on; these are what the example must find.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DAYS = ("20200406", "20200407")
LEVELS = ("1-450", "451-900")
LINES = 100_000

#: Share of a day's lines that are about its new subjects, and about those of other days: nothing is ever quite new.
_NEW, _OLD = 0.16, 0.012

_NAMES = "清风 明月 青衫 白衣 孤城 夜雨 流星 长歌 醉酒 听雪 无名 小鱼 阿飞 老王 大熊 糖糖 团子 橘猫 北海 南山".split()
_TAILS = "剑客 道长 公子 姑娘 少侠 法师 猎人 战神 骑士 少年 不归 如故 二号 同学 先生 本尊".split()

#: Words that fill the gaps of the sentences.
_WORDS = {
    "副本": "幽冥古墓 冰霜龙巢 落日神殿 深海遗迹 烈焰峡谷 迷雾森林 天空之城 地狱之门 黄金宝库 试炼之塔".split(),
    "职业": "奶妈 坦克 输出 法师 弓手 刺客 战士 牧师 召唤师 骑士".split(),
    "物品": "强化石 紫色武器 坐骑 宠物蛋 金币 药水 图纸 宝石 翅膀 戒指 项链 披风 经验丹 钥匙 碎片 矿石".split(),
    "地点": "主城 世界树下 新手村 港口 拍卖行 擂台 广场 酒馆 铁匠铺 传送门 城门口 雪山".split(),
    "人": "大佬 会长 兄弟 姐妹 伙伴 老铁 队长 师父 徒弟 前辈 室友 队友".split(),
    "叹": "哈哈哈 唉 好吧 真的吗 厉害 太难了 收到 谢谢 加油 无语 笑死 辛苦 佩服 难受 恭喜 羡慕 不容易 慢慢来".split(),
    "事": "吃饭 上班 上课 睡觉 加班 洗澡 做作业 接孩子 看电影 开会 跑步 充电".split(),
    "数": [str(number) for number in (2, 3, 5, 8, 10, 20, 50, 100, 300, 888)],
}

_ALWAYS = (
    "{副本}来个{职业}，差{数}个人就开",
    "有{人}打{副本}吗，我是{职业}",
    "{副本}团灭了{数}次，{职业}跑哪里去了",
    "{副本}通关了，掉了{物品}，{叹}",
    "出售{物品}，{数}金一个，{地点}交易",
    "收购{物品}，有的私聊，价格好商量",
    "{物品}又涨价了，{叹}",
    "{物品}强化失败{数}次，心态崩了",
    "{物品}换{物品}，有{人}要吗",
    "公会招人，要求每天在线，{职业}优先",
    "公会战八点开始，{人}别迟到",
    "{人}在吗，{地点}集合",
    "竞技场连输{数}把，{职业}太强了",
    "竞技场匹配到{人}，直接投降",
    "先下线了，{事}，{叹}",
    "{人}{叹}，我去{事}，{数}分钟回来",
    "抽到{物品}，{叹}",
    "{人}带带我，升级好慢",
    "背包满了，{物品}要留着吗",
    "{地点}挖到{物品}，{叹}",
    "{职业}和{职业}哪个厉害",
    "宠物进化需要{物品}，还差{数}个",
    "钓鱼钓到{物品}，{叹}",
    "{人}结婚，{地点}发红包",
    "{叹}，{叹}",
)
_BEGINNERS = (
    "新手求助，{物品}在哪里买",
    "主线卡在{地点}，怎么过去",
    "{职业}前期怎么加点，求{人}指点",
    "每日任务做完，经验不够升级",
)
_VETERANS = (
    "跨服战报名，{职业}还差{数}个",
    "神装毕业，{副本}随便打",
    "战力过万的{人}来{副本}，速刷{数}次",
    "转生之后{职业}技能改版，{叹}",
)

#: Day → level range → sentences about what was new. "" is both ranges.
_NEWS: dict[str, dict[str, tuple[str, ...]]] = {
    "20200406": {
        "": (
            "清明踏青任务在{地点}接",
            "踏青任务给的青团换{物品}",
            "青团攒了{数}个，换{物品}，{叹}",
            "踏青路线谁有，{人}",
            "清明活动最后一天，踏青还差{数}次",
            "青团出{数}个，{地点}交易",
            "踏青遇到{人}，{叹}",
            "又掉线，{副本}白打了",
            "{副本}全队掉线，{叹}",
            "延迟太高，掉线{数}次",
            "服务器卡成幻灯片，掉线{数}次",
            "服务器崩了，{人}都在{地点}排队",
        ),
        "1-450": ("新区开服排队{数}分钟，{叹}", "新区礼包换{物品}", "新区冲级，来个{职业}", "新区开服，{人}都来了"),
        "451-900": ("麒麟刷新，{地点}集合", "麒麟血厚，差{数}个{职业}", "麒麟被隔壁公会抢了，{叹}", "麒麟掉了{物品}，{叹}"),
    },
    "20200407": {
        "": (
            "维护补偿在邮箱，{叹}",
            "补偿才{数}个钻石，{叹}",
            "维护补偿领了{物品}",
            "补偿到账，{人}快领",
            "维护延长{数}小时，补偿翻倍",
            "{地点}有外挂，一起举报",
            "举报外挂{数}次，{叹}",
            "外挂封号{数}个，{叹}",
            "竞技场遇到外挂，截图举报",
            "封号名单公布，{人}也在",
            "{副本}外挂秒杀，{叹}",
        ),
        "1-450": ("双倍经验几点开，{人}", "双倍经验刷{副本}", "双倍一小时升{数}级", "双倍卡出{数}张"),
        "451-900": ("天梯结算，奖励{物品}", "天梯掉到{数}名，{叹}", "天梯冲榜，找{职业}", "天梯遇到{人}，{叹}"),
    },
}


@dataclass(frozen=True, slots=True)
class Part:
    """One of the four files."""

    day: str
    levels: str

    @property
    def name(self) -> str:
        """Its file name."""
        return f"chat_{self.day}_{self.levels}.txt"


PARTS = tuple(Part(day, levels) for day in DAYS for levels in LEVELS)


def lines(part: Part, count: int = LINES, seed: int = 2020) -> Iterator[str]:
    """The lines of one file."""
    dice = random.Random(f"{seed}-{part.day}-{part.levels}")
    pick, chance = dice.choice, dice.random
    low, high = (int(end) for end in part.levels.split("-"))
    always = _ALWAYS + (_BEGINNERS if low == 1 else _VETERANS)
    news = _sentences(part.day, part.levels)
    olds = [sentence for day in DAYS if day != part.day for sentence in _sentences(day, part.levels)]
    for number in range(count):
        at = number / count
        luck = chance()
        fresh = _NEW * (0.4 + 1.2 * at)
        sentence = pick(news if luck < fresh else olds if luck < fresh + _OLD else always)
        second = int(at * 86_400)
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        yield f"{clock}\t{pick(_NAMES)}{pick(_TAILS)}\t{dice.randint(low, high)}\t{_filled(sentence, pick)}\n"


def write(part: Part, folder: Path, count: int = LINES, seed: int = 2020) -> Path:
    """Write one file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / part.name
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines(part, count, seed))
    return path


def _sentences(day: str, levels: str) -> tuple[str, ...]:
    return _NEWS[day][""] + _NEWS[day][levels]


def _filled(sentence: str, pick: Callable[[list[str]], str]) -> str:
    pieces = sentence.split("{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        kind, _, rest = piece.partition("}")
        filled.append(pick(_WORDS[kind]) + rest)
    return "".join(filled)
