# SPDX-License-Identifier: GPL-3.0-or-later
"""How the pages look, and the policy that lets nothing else into them.

One style sheet inside each page: nothing more to fetch. Browse on an old XO knows neither custom properties nor
flexible boxes, so there are none, and it does well without what it does not know. Sizes and margins follow the
writing's direction.
"""

from __future__ import annotations

import base64
import hashlib

from sugar_server.pages.markup import Html

_SHEET = """
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{font:1.125rem/1.5 sans-serif;margin:0;color:#1b1b1b;background:#fff;word-wrap:break-word}
bdi,dd{overflow-wrap:anywhere}
header,main,footer{max-width:56rem;margin:0 auto;padding:0 1rem}
header{padding-top:.75rem}
header p{font-weight:bold;margin:0}
nav ul,footer ul{list-style:none;margin:0;padding:0}
nav li,footer li{display:inline-block}
nav a{display:inline-block;padding:.6rem .75rem;border-bottom:.2rem solid transparent}
nav a[aria-current]{border-bottom-color:#1b1b1b;color:#1b1b1b;font-weight:bold;text-decoration:none}
header nav{margin:0 -.75rem;border-bottom:1px solid #767676}
footer span{font-weight:bold}
footer{margin-top:3rem;border-top:1px solid #767676;padding-top:.5rem;padding-bottom:2rem;font-size:1rem}
footer a,footer span{display:inline-block;padding:.6rem .75rem .6rem 0;padding-inline:0 .75rem}
.skip{position:absolute;top:-10rem;background:#fff;padding:.5rem 1rem}
.skip:focus{top:0}
h1{line-height:1.2;font-size:1.8rem;margin:1.5rem 0 1rem}
h1 time{display:inline-block}
h2{line-height:1.2;font-size:1.35rem;margin:2rem 0 .5rem}
a{color:#00558c}
a:focus,button:focus,input:focus,summary:focus{outline:.2rem solid #b34700;outline-offset:.1rem}
table{border-collapse:collapse;width:100%}
caption{text-align:start;padding:.5rem 0}
th,td{text-align:left;text-align:start;vertical-align:top;padding:.5rem 1rem .5rem 0;padding-inline:0 1rem}
th,td{border-bottom:1px solid #949494}
tbody th{font-weight:normal}
dl{margin:0}dt{font-weight:bold;margin-top:.75rem}dd{margin:0}
label{display:block;font-weight:bold;margin-bottom:.25rem}
label.pick{font-weight:normal;padding:.4rem 0}
input,button{font:inherit;max-width:100%}
input[type=text],input[type=search],input[type=password]{width:22rem;padding:.5rem;border:1px solid #5c5c5c;
color:#1b1b1b;background:#fff}
button,.button{display:inline-block;padding:.5rem 1rem;margin:.25rem 0;border:1px solid #00558c;color:#fff;
background:#00558c;text-decoration:none;cursor:pointer}
button.plain{background:none;border:0;color:#00558c;text-decoration:underline;padding:.6rem .75rem;margin:0}
button.grave{background:#a1171f;border-color:#a1171f}
nav form{display:inline}
.good,.bad,.note{padding:.5rem 1rem;border:1px solid;border-inline-start-width:.5rem}
.good{color:#1b5e20;background:#f1f8f1}.bad{color:#8b1018;background:#fdf1f1}.note{color:#4a3500;background:#fdf7e3}
meter{width:100%;max-width:22rem;height:1.25rem}
svg{max-width:100%;direction:ltr}
.less{color:#595959}
@media (prefers-color-scheme:dark){
body,.skip{color:#ececec;background:#161616}
a,button.plain{color:#8fcaff}
nav a[aria-current]{color:#ececec;border-bottom-color:#ececec}
a:focus,button:focus,input:focus,summary:focus{outline-color:#ffb27a}
input[type=text],input[type=search],input[type=password]{color:#ececec;background:#222;border-color:#9a9a9a}
button,.button{color:#fff;background:#0a6ab0;border-color:#8fcaff}
.button{color:#fff}
button.plain{background:none}
button.grave{background:#a1171f;border-color:#ff9ea3}
.good{color:#a5d6a7;background:#12210f}.bad{color:#ffb0b4;background:#2a1011}.note{color:#ffdf91;background:#262006}
.less{color:#ababab}
}
@media (max-width:30rem){
table{font-size:1rem}
th,td{padding-inline-end:.6rem}
tbody th{min-width:7rem}
h1{font-size:1.5rem}
}
"""
SHEET = Html(_SHEET.replace("\n", ""))
_HASH = base64.b64encode(hashlib.sha256(SHEET.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy: no script at all, no style but ours, nothing from anywhere; forms come back to us only."""
