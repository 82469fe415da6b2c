"""Spoken prompts for the lab, made by espeak-ng at set-up: no audio is kept in the repository.

Without espeak-ng English prompts are replaced by ones of Asterisk's own, and the Chinese set is
left out; the lab says so.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sim.lab.tools import find_tool
from sim.phones.audio import read_wav, resample, write_wav

ENGLISH = {
    "welcome": "Welcome. Your call may be recorded.",
    "unavailable": "We are sorry, nobody can take your call now. We will call you back.",
    "apology": "We are sorry, this number is not in use.",
    "closed": "We are closed now. Please call again in our opening hours.",
    "position-before": "You are number",
    "position-after": "in the queue.",
    "wait-before": "The expected waiting time is",
    "wait-after": "minutes.",
    "callback": "Press one and we will call you back.",
    "please-hold": "Please hold the line.",
    "thanks": "Thank you for calling.",
    "consent": "This call is recorded.",
    "menu": "For subscriptions press one. For advertising press two. For the newsroom press three.",
    "survey": "How satisfied are you? Press one to five.",
    "to": "to",
}
CHINESE = {
    "welcome": "欢迎致电，本次通话可能会被录音。",
    "unavailable": "很抱歉，现在无人接听，我们会尽快给您回电。",
    "apology": "很抱歉，您拨打的号码不存在。",
    "closed": "现在是非工作时间，请在工作时间来电。",
    "position-before": "您前面还有",
    "position-after": "位客户在等候。",
    "wait-before": "预计等候时间",
    "wait-after": "分钟。",
    "callback": "请按一，我们会给您回电。",
    "please-hold": "请稍候。",
    "thanks": "感谢您的来电。",
    "consent": "本次通话正在录音。",
    "menu": "订阅请按一，广告请按二，新闻热线请按三。",
    "survey": "请为我们的服务评分，请按一到五。",
    "to": "到",
}
#: announcements of position and wait go by the names that Asterisk's English sounds have
CHINESE_QUEUE = {
    "queue-youarenext": "下一位就是您，请稍候。",
    "queue-thereare": "您现在排在第",
    "queue-callswaiting": "位。",
    "queue-quantity1": "您前面有超过",
    "queue-quantity2": "位客户在等候。",
    "queue-holdtime": "预计等候时间",
    "queue-minute": "分钟。",
    "queue-minutes": "分钟。",
}
#: what SAY NUMBER looks for in Chinese
CHINESE_DIGITS = {
    **{str(value): word for value, word in enumerate("零一二三四五六七八九")},
    "10": "十", "hundred": "百", "thousand": "千", "ten-thousand": "万",
}  # fmt: skip
#: English prompts without espeak-ng: sounds of Asterisk's own
INSTEAD = {"unavailable": "vm-nobodyavail", "apology": "invalid", "thanks": "vm-goodbye"}

VOICES = {"en": "en-us", "zh": "cmn"}
VERSION = "2"


def ensure_prompts(store: Path) -> Path | None:
    """Make the prompts once in ``store/prompts`` (``en`` and ``zh``); None without espeak-ng."""
    folder = store / "prompts"
    if (folder / VERSION).is_file():
        return folder
    if find_tool("espeak-ng") is None:
        return None
    staging = Path(tempfile.mkdtemp(prefix=".prompts", dir=store))
    jobs = [("en", f"en/ctid/{name}", text) for name, text in ENGLISH.items()]
    jobs += [("zh", f"zh/ctid/{name}", text) for name, text in CHINESE.items()]
    jobs += [("zh", f"zh/{name}", text) for name, text in CHINESE_QUEUE.items()]
    jobs += [("zh", f"zh/digits/{name}", text) for name, text in CHINESE_DIGITS.items()]
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda job: speak(job[2], staging / f"{job[1]}.wav", job[0]), jobs))
    (staging / VERSION).touch()
    staging.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        staging.rename(folder)
    except OSError:  # another instance was faster
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def speak(text: str, path: Path, language: str = "en", rate_hz: int = 8000) -> None:
    """Speak ``text`` into a mono 16-bit WAV of ``rate_hz``. ``language`` is ``en`` or ``zh``.

    Raises OSError without espeak-ng, subprocess.CalledProcessError when it fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    program = find_tool("espeak-ng")
    if program is None:
        raise FileNotFoundError("espeak-ng is not installed; run sim/setup.sh phones")
    # by standard output: espeak-ng cuts long file names off without a word
    said = subprocess.run(
        [program, "-v", VOICES[language], "-s", "150", "--stdout", text],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    samples, rate = read_wav(io.BytesIO(said))
    write_wav(path, resample(samples, rate, rate_hz), rate_hz)
