"""Turns the sample configuration into that of one instance.

The samples in ``config/asterisk`` are valid files of their own. They are not templates: the lab
copies them and rewrites single values, and a value that is not there is an error. So what the
tests run is what a site is told to copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: (section, key) -> value
Values = Mapping[tuple[str, str], str]


def rewrite(text: str, values: Values) -> str:
    """Give ``text`` with the values of single ``key = value`` lines replaced.

    The first matching line of any section of that name is rewritten, its comment is dropped.
    Raises KeyError when a section or key does not occur.
    """
    left = dict(values)
    out: list[str] = []
    section = ""
    for line in text.splitlines():
        head = re.match(r"\s*\[([^\]]+)\]", line)
        if head:
            section = head.group(1)
        pair = re.match(r"\s*([\w-]+)\s*=>?\s*", line)
        if pair and (section, pair.group(1)) in left:
            value = left.pop((section, pair.group(1)))
            if not value.isprintable():
                raise ValueError(f"control character in the value of {pair.group(1)}")
            line = f"{pair.group(1)} = {value}"
        out.append(line)
    if left:
        raise KeyError(f"not in the sample: {sorted(left)}")
    return "\n".join(out) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone of the lab. ``contact`` is set for phones that do not register."""

    user: str
    kind: str  # agent, supervisor or browser
    name: str
    password: str = ""
    contact: str = ""

    @property
    def interface(self) -> str:
        """What Dial, Queue and device states call it."""
        return f"PJSIP/{self.user}"


def phones_conf(phones: Sequence[Phone], qualify_s: int) -> str:
    """``pjsip_phones.conf`` for ``phones``, from the templates in ``pjsip.conf``."""
    out: list[str] = []
    for phone in phones:
        user = phone.user
        template = "webrtc-phone" if phone.kind == "browser" else "phone"
        if phone.contact:
            template = "static-phone"
        out += [f"[{user}]({template})", f"aors = {user}", f'callerid = "{phone.name}" <{user}>']
        if phone.contact:
            out += [f"[{user}](static-aor)", f"contact = {phone.contact}"]
        else:
            out += [f"auth = {user}"]
            out += [f"[{user}](phone-auth)", f"username = {user}", f"password = {phone.password}"]
            out += [f"[{user}](phone-aor)", f"qualify_frequency = {qualify_s}"]
        out.append("")
    return "\n".join(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchQueues:
    """app_queue queues for measurements: one per strategy, all with the same phones."""

    members: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)


BENCH_STRATEGIES = ("rrmemory", "leastrecent", "fewestcalls", "random", "ringall", "linear")


def bench_queues_conf(bench: BenchQueues) -> str:
    """Queues ``bench_STRATEGY``. ``options`` overrides or adds queue options."""
    options = {
        "musicclass": "default", "timeout": "15", "retry": "1", "wrapuptime": "0",
        "ringinuse": "no", "joinempty": "yes", "leavewhenempty": "no", "setinterfacevar": "no",
        "announce-frequency": "0", "announce-holdtime": "no", **bench.options,
    }  # fmt: skip
    out: list[str] = []
    for strategy in BENCH_STRATEGIES:
        out += [f"[bench_{strategy}]", f"strategy = {strategy}"]
        out += [f"{key} = {value}" for key, value in options.items()]
        out += [f"member => {member}" for member in bench.members]
        out.append("")
    return "\n".join(out)


#: numbers of the lab's own, reachable from the trunk and from phones
TEST_NUMBERS = {
    "echo": "9196", "milliwatt": "9197", "music": "9198", "silence": "9199", "answer_once": "9195",
    **{f"bench_{name}": f"95{index:02d}" for index, name in enumerate(BENCH_STRATEGIES)},
}  # fmt: skip


def site_conf() -> str:
    """``ctid_site.conf``: the test numbers."""
    out = [
        f"exten => {TEST_NUMBERS['echo']},1,Answer()",
        " same => n,Echo()",
        f"exten => {TEST_NUMBERS['milliwatt']},1,Answer()",
        " same => n,Milliwatt()",
        f"exten => {TEST_NUMBERS['music']},1,Answer()",
        " same => n,MusicOnHold(default)",
        f"exten => {TEST_NUMBERS['silence']},1,Answer()",
        " same => n,Wait(3600)",
        f"exten => {TEST_NUMBERS['answer_once']},1,Answer()",
        " same => n,Hangup()",
    ]
    for name in BENCH_STRATEGIES:
        out += [
            f"exten => {TEST_NUMBERS[f'bench_{name}']},1,Answer()",
            f" same => n,Queue(bench_{name})",
            " same => n,Hangup()",
        ]
    return "\n".join(out) + "\n"


def asterisk_conf(folders: Mapping[str, str]) -> str:
    """``asterisk.conf``: every folder is set, so that nothing of the host's is used."""
    lines = ["[directories]"]
    lines += [f"{name} => {path}" for name, path in folders.items()]
    lines += [
        "[options]",
        "documentation_language = en_US",
        "hideconnect = yes",
        "live_dangerously = no",
        "defaultlanguage = en",
        "transmit_silence = yes",
        "rtp_use_dynamic = yes",
        "[files]",
        "astctl = asterisk.ctl",
    ]
    return "\n".join(lines) + "\n"


#: what the lab loads; naming them makes it start in half the time that autoload takes
MODULES = (
    "app_blind_transfer app_bridgeaddchan app_bridgewait app_cdr app_chanspy app_confbridge "
    "app_controlplayback app_dial app_echo app_exec app_milliwatt app_mixmonitor app_originate "
    "app_playback app_playtones app_queue app_read app_sayunixtime app_senddtmf app_softhangup "
    "app_stack app_userevent app_verbose app_waituntil app_while app_record app_transfer "
    "app_attended_transfer app_channelredirect app_chanisavail app_dumpchan app_talkdetect "
    "bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_native_rtp "
    "bridge_simple bridge_softmix chan_bridge_media chan_pjsip codec_a_mu codec_alaw "
    "codec_g722 codec_gsm codec_opus_open_source codec_resample codec_ulaw format_gsm format_pcm "
    "format_sln format_wav format_wav_gsm func_base64 func_callerid func_cdr func_channel func_cut "
    "func_db func_devstate func_dialplan func_env func_extstate func_global func_groupcount "
    "func_hangupcause func_logic func_math func_md5 func_pjsip_aor func_pjsip_contact "
    "func_pjsip_endpoint func_periodic_hook func_rand func_sha1 func_sprintf func_strings "
    "func_sysinfo func_timeout func_uri func_uuid func_version func_volume pbx_config pbx_spool "
    "res_agi res_speech res_convert res_crypto res_format_attr_opus res_http_websocket "
    "res_manager_devicestate res_musiconhold res_mutestream res_pjproject res_pjsip "
    "res_pjsip_acl res_pjsip_authenticator_digest res_pjsip_caller_id "
    "res_pjsip_dialog_info_body_generator res_pjsip_diversion res_pjsip_dlg_options "
    "res_pjsip_dtmf_info res_pjsip_empty_info res_pjsip_endpoint_identifier_anonymous "
    "res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user res_pjsip_exten_state "
    "res_pjsip_header_funcs res_pjsip_logger res_pjsip_maintenance res_pjsip_messaging "
    "res_pjsip_mwi res_pjsip_mwi_body_generator res_pjsip_nat "
    "res_pjsip_one_touch_record_info res_pjsip_outbound_authenticator_digest "
    "res_pjsip_outbound_publish res_pjsip_outbound_registration res_pjsip_path "
    "res_pjsip_pidf_body_generator res_pjsip_pubsub res_pjsip_refer res_pjsip_registrar "
    "res_pjsip_rfc3326 res_pjsip_rfc3329 res_pjsip_sdp_rtp res_pjsip_send_to_voicemail "
    "res_pjsip_session res_pjsip_sips_contact res_pjsip_t38 res_pjsip_transport_websocket "
    "res_rtp_asterisk res_security_log res_sorcery_astdb res_sorcery_config res_sorcery_memory "
    "res_sorcery_memory_cache res_sorcery_realtime res_srtp res_stasis res_timing_timerfd "
    "res_timing_pthread res_tonedetect"
).split()  # fmt: skip


#: files that modules look for; empty ones keep the log free of complaints
EMPTY = (
    "acl.conf", "ccss.conf", "indications.conf", "pjproject.conf", "queuerules.conf", "udptl.conf",
)  # fmt: skip


def modules_conf(available: set[str]) -> str:
    """``modules.conf`` with those of :data:`MODULES` that this Asterisk has."""
    lines = ["[modules]", "autoload = no"]
    lines += [f"load = {name}.so" for name in MODULES if name in available]
    return "\n".join(lines) + "\n"
