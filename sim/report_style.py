"""The report's style sheet: light, dark and print."""

STYLE = """
:root{--paper:#f7f7f5;--card:#fff;--ink:#1d2228;--soft:#6b737c;--rule:#e4e5e3;--grid:#ecedeb;
--s0:#1f6f8b;--s1:#d1782c;--good:#2f7d4f;--bad:#b3402f;--good-bg:#e6f2ea;--bad-bg:#f8e7e3}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1c2024;--ink:#e8eaec;--soft:#9aa3ab;
--rule:#2c3238;--grid:#262b30;--s0:#5fb3cf;--s1:#e79a55;--good:#7cc79a;--bad:#e58a7a;
--good-bg:#1d3226;--bad-bg:#3a221e}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,
"Segoe UI","PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:1180px;margin:0 auto;padding:40px 24px 64px}
header{margin-bottom:28px}
.kicker{margin:0;color:var(--s0);font-size:13px;font-weight:600;letter-spacing:.04em}
h1{margin:4px 0 6px;font-size:30px;line-height:1.2;font-weight:650}
h1 small,h2 small{font-weight:400;color:var(--soft);font-size:.62em;margin-left:.4em}
h2{margin:0 0 14px;font-size:19px;font-weight:620}
.facts{margin:0;color:var(--soft);font-variant-numeric:tabular-nums}
section{margin-top:36px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;margin-top:0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px}
.tile p{margin:0}.label{color:var(--soft);font-size:13px}
.big{font-size:25px;font-weight:620;font-variant-numeric:tabular-nums;line-height:1.35}
.pm{color:var(--soft);font-size:12px;font-weight:400;white-space:nowrap}
.tile .pm{display:block;line-height:1.3}
.then{font-size:14px;font-variant-numeric:tabular-nums}
.chip{display:inline-block;padding:0 7px;border-radius:9px;background:var(--grid);
color:var(--soft);font-size:12px;white-space:nowrap}
.chip.good{background:var(--good-bg);color:var(--good)}
.chip.bad{background:var(--bad-bg);color:var(--bad)}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--rule);border-radius:10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:9px 14px;text-align:right;border-bottom:1px solid var(--rule);vertical-align:top}
th:first-child{text-align:left;font-weight:550}
thead th{color:var(--soft);font-weight:500;font-size:13px;white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}.total>*{font-weight:620}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:14px}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;
padding:14px 14px 6px}
figcaption{font-size:14px;font-weight:550;margin-bottom:4px}
svg{display:block;width:100%;height:auto}
.grid{stroke:var(--grid)}.base{stroke:var(--rule);stroke-width:1.5}
.tick{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1);stroke-dasharray:6 4}
.band{opacity:.16}.band.s0,.bar.s0,.dot.s0{fill:var(--s0)}.band.s1,.bar.s1,.dot.s1{fill:var(--s1)}
.dot{stroke:var(--card);stroke-width:1.2}.bar:hover,.dot:hover{opacity:.75}
.legend{margin:-4px 0 12px;display:flex;gap:18px;font-size:14px}
.legend i{display:inline-block;width:18px;height:3px;border-radius:2px;margin-right:7px;
vertical-align:middle}
.legend i.s0{background:var(--s0)}.legend i.s1{background:var(--s1)}
details{margin-top:12px}summary{cursor:pointer;color:var(--soft);font-size:14px;padding:4px 0}
details .scroll{margin-top:8px}
.notes{color:var(--soft);font-size:14px}.notes li{margin:3px 0;overflow-wrap:anywhere}
@media print{body{background:#fff}main{padding:0}figure,.tile,.scroll{break-inside:avoid}}
"""
