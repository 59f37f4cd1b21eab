//! Text into HTML, safely: everything that comes from a registry is foreign.

/// The characters that mean something in HTML, and in its attributes, escaped.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => {}
            c => out.push(c),
        }
    }
    out
}

/// An address that may be linked: nothing but the web.
pub(super) fn link(address: &str, text: &str) -> String {
    if address.starts_with("https://") || address.starts_with("http://") {
        format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escape(address), escape(text))
    } else {
        escape(text)
    }
}

/// The first characters of a long text, whole words aside.
pub(super) fn shorten(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The minute of a time, for people.
pub(super) fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// The page's style: no font, no picture and no script from anywhere.
pub(super) const STYLE: &str = "
:root{--ink:#1c2430;--soft:#5b6675;--line:#d5dbe3;--paper:#fff;--wash:#f4f6f9;--good:#0b6b3a;--bad:#a11818;--warn:#8a5300;--mark:#24507f}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf2;--soft:#9aa7b8;--line:#333d4b;--paper:#12171e;--wash:#1a212b;--good:#5fd39a;--bad:#ff8f8f;--warn:#f0b45c;--mark:#8fbdf0}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 64px}h1{font-size:22px;margin:0}h2{font-size:16px;margin:34px 0 10px;padding-bottom:6px;border-bottom:1px solid var(--line)}
p.sub{margin:2px 0 0;color:var(--soft);font-size:13px}code,.mono{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12.5px}
.envs{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:16px;align-items:start}
.env{border:1px solid var(--line);border-radius:8px;overflow:hidden;background:var(--paper)}.env header{background:var(--wash);padding:12px 16px;border-bottom:1px solid var(--line)}
.env header b{font-size:13px;text-transform:uppercase;letter-spacing:.06em;color:var(--soft)}.version{font-size:28px;font-weight:650;line-height:1.2;display:block}
.tag{display:inline-block;border:1px solid currentColor;border-radius:4px;padding:0 6px;font-size:12px;font-weight:600}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 12px;margin:0;padding:12px 16px}dt{color:var(--soft);font-size:13px}dd{margin:0;overflow-wrap:anywhere;font-size:13.5px}
.notice{margin:0;padding:8px 16px;border-top:1px solid var(--line);font-size:13.5px}ol.log{list-style:none;margin:0;padding:8px 16px 12px;border-top:1px solid var(--line)}
ol.log li{position:relative;padding:4px 0 4px 20px;border-left:2px solid var(--line);margin-left:5px;font-size:13.5px}ol.log li::before{content:attr(data-sign);position:absolute;left:-10px;top:3px;width:18px;height:18px;line-height:17px;text-align:center;border-radius:50%;background:var(--paper);border:1.5px solid currentColor;font-size:10px;font-weight:700}
ol.log small{color:var(--soft);display:block}table{border-collapse:collapse;width:100%;font-size:13.5px}th,td{text-align:left;padding:7px 10px;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:600;font-size:12.5px}td.num{text-align:right;font-variant-numeric:tabular-nums}
details summary{cursor:pointer;color:var(--mark)}details ul{margin:6px 0 0;padding-left:18px}svg{display:block;width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,sans-serif}svg .soft{fill:var(--soft)}svg .bar{fill:var(--mark)}svg .dot{fill:var(--paper);stroke:var(--mark);stroke-width:2}svg .axis{stroke:var(--line)}svg .cell{fill:var(--wash);stroke:var(--mark);stroke-width:1.2}
.scroll{overflow-x:auto}footer{margin-top:40px;color:var(--soft);font-size:12.5px}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(escape("<script>\"&'\u{1b}"), "&lt;script&gt;&quot;&amp;&#39;");
        assert_eq!(link("javascript:alert(1)", "run"), "run");
        assert_eq!(shorten("äöü", 2), "äö…");
    }
}
