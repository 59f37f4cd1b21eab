// Records what the JavaScript libraries that tag rules are written for make of random inputs, for
// src/recordings.rs to compare with. For developers; the tests only read the .jsonl files beside this script.
//
//   npm install --no-save handlebars@4 moment moment-timezone csv-parse semver @renovatebot/pep440
//   node record.mjs [CASES [SEED [DIRECTORY]]]
//   WHARF_RECORDINGS=DIRECTORY cargo test -p wharf-metadata recordings
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'x.js'));
const handlebars = require('handlebars');
const moment = require('moment-timezone');
const {parse} = require('csv-parse/sync');
const semver = require('semver');
const pep440 = require('@renovatebot/pep440');

const count = Number(process.argv[2] ?? 150);
let state = Number(process.argv[3] ?? 1);
const directory = process.argv[4] ?? '.';

function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}
const pick = list => list[random(list.length)];
const many = (most, make) => Array.from({length: random(most + 1)}, make);
const text = (alphabet, most) => many(most, () => pick(alphabet)).join('');
const mutate = s => {
  if (random(4)) return s;
  const at = random(s.length + 1);
  const noise = [...' {}~#/.\'"=|@^&!\\[]-x0'];
  return pick([s.slice(0, at) + pick(noise) + s.slice(at), s.slice(0, at) + s.slice(at + 1)]);
};
const attempt = f => {
  try {
    return {out: f()};
  } catch {
    return {fails: true};
  }
};

// ---- templates
const facts = {branch: 'feat/a&b="c"', tag: '', sha: 'e1098f9', base_ref: '<main>', is_default_branch: 'false'};
const date = 1714972089123;
const instant = at => (format, options) => {
  let tz = 'UTC';
  for (const key of Object.keys(options.hash)) {
    if (key !== 'tz') throw new Error(key);
    tz = options.hash[key];
  }
  return moment(at).tz(tz).format(format);
};
const globals = {
  branch: () => facts.branch,
  tag: () => facts.tag,
  sha: () => facts.sha,
  base_ref: () => facts.base_ref,
  commit_date: function (format, options) { return instant(date)(format, options); },
  is_default_branch: () => facts.is_default_branch,
  is_not_default_branch: function () { return this.is_default_branch() === 'false' ? 'true' : 'false'; },
  date: function (format, options) { return instant(date)(format, options); }
};
const version = semver.parse('v1.20.0-rc.1+b7.x', {loose: true});
const names = {
  global: ['branch', 'tag', 'sha', 'base_ref', 'is_default_branch', 'is_not_default_branch', 'nope', 'this', 'this.branch', '@root.sha', '../sha', '@root', '[sha]', './tag', 'date', "date 'YYYY'", "commit_date 'x' tz='Asia/Tokyo'", "date 'HH' tz=sha", 'branch sha', 'nope sha', 'true', '7', '"quoted"', "'it'", 'null', 'undefined', 'log sha', 'sha.length', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'blockHelperMissing', 'helperMissing', 'branch x=1', 'date (date "YYYY")', 'lookup (lookup . "x") "y"', '@first', '@index', '@key', 'sha/length', 'this/sha', 'a.b.c', 'if', 'if sha', 'each sha', 'unless', 'with sha', 'lookup'],
  semver: ['raw', 'version', 'major', 'minor', 'patch', 'prerelease', 'build', 'prerelease.[0]', 'prerelease.0', 'prerelease.length', 'build.1', 'this', 'this.major', '@root.raw', '../raw', 'options.loose', 'loose', 'compare', 'format', 'toString', 'inspect', 'constructor', 'branch', 'lookup prerelease 0', "lookup . 'minor'", 'lookup prerelease patch', 'major minor', '@index', '@key', '@first', '@last', '@level', 'options', 'raw.length', 'version.[0]', 'lookup build "length"', 'patch.x', 'nope']
};
const mustache = kind => {
  const name = pick(names[kind]);
  return pick([`{{${name}}}`, `{{${name}}}`, `{{{${name}}}}`, `{{~ ${name} ~}}`, `{{& ${name}}}`, `{{ ${name}}}`, `\\{{${name}}}`, `\\\\{{${name}}}`, `{{~{${name}}~}}`]);
};
function template(kind, depth = 0) {
  const parts = many(3, () => {
    const body = () => template(kind, depth + 1);
    const name = pick(names[kind]);
    const one = name.split(' ')[0];
    if (depth < 3 && random(3) === 0) {
      return pick([
        () => `{{#if ${name}}}${body()}{{/if}}`,
        () => `{{#if ${one}}}${body()}{{else}}${body()}{{/if}}`,
        () => `{{#if ${one} includeZero=true}}${body()}{{/if}}`,
        () => `{{#unless ${one}}}${body()}{{^}}${body()}{{/unless}}`,
        () => `{{#each ${one}}}${body()}{{else}}${body()}{{/each}}`,
        () => `{{#each ${one} as |item i|}}{{item}}{{i}}${body()}{{/each}}`,
        () => `{{#with ${one}}}${body()}{{else}}${body()}{{/with}}`,
        () => `{{#with ${one} as |w|}}{{w}}${body()}{{/with}}`,
        () => `{{#${one}}}${body()}{{/${one}}}`,
        () => `{{^${one}}}${body()}{{/${one}}}`,
        () => `{{#if ${one}}}a{{else if ${pick(names[kind]).split(' ')[0]}}}${body()}{{else}}c{{/if}}`,
        () => `{{{{${one}}}}}${body()}{{{{/${one}}}}}`,
        () => `{{#if ${one}~}} ${body()} {{~else~}} y {{~/if}}`,
        () => `\n  {{#if ${one}}}\n ${body()}\n  {{/if}}\n`
      ])();
    }
    return pick([() => mustache(kind), () => mustache(kind), () => mustache(kind), () => text([...'ab- \n/\\{}"\''], 4), () => '{{! note }}', () => '{{!-- }} --}}', () => ' \n{{! x }}\n', () => '{{> part}}', () => '{{*deco}}'])();
  });
  return parts.join('');
}
const expand = (kind, source) => attempt(() => handlebars.compile(source)(kind === 'global' ? {...globals} : version));

// ---- dates
const zones = ['UTC', 'Asia/Tokyo', 'europe/berlin', 'America/New_York', 'Asia/Kathmandu', 'America/St_Johns', 'Australia/Lord_Howe', 'Africa/Casablanca', 'No/Where', 'EST', 'Etc/GMT+5', 'Europe/London', 'Pacific/Apia'];
const tokens = ['M', 'Mo', 'MM', 'MMM', 'MMMM', 'Q', 'Qo', 'D', 'Do', 'DD', 'DDD', 'DDDo', 'DDDD', 'd', 'do', 'dd', 'ddd', 'dddd', 'e', 'E', 'w', 'wo', 'ww', 'W', 'Wo', 'WW', 'YY', 'YYYY', 'YYYYY', 'YYYYYY', 'Y', 'y', 'yy', 'yyy', 'yyyy', 'yo', 'N', 'NN', 'NNN', 'NNNN', 'NNNNN', 'gg', 'gggg', 'ggggg', 'GG', 'GGGG', 'GGGGG', 'A', 'a', 'H', 'HH', 'h', 'hh', 'k', 'kk', 'Hmm', 'Hmmss', 'hmm', 'hmmss', 'm', 'mm', 's', 'ss', 'S', 'SS', 'SSS', 'SSSS', 'SSSSS', 'SSSSSSSSS', 'z', 'zz', 'Z', 'ZZ', 'X', 'x', 'L', 'LL', 'LLL', 'LLLL', 'LT', 'LTS', 'l', 'll', 'lll', 'llll', '[at]', '[', ']', '\\', '\\M', '-', ' ', '/', 'T', '[[]', '[a', 'o', '\n', "'", 'ü', 'b', '_', '.'];
const format = () => many(6, () => pick(tokens)).join('');
const anyInstant = () => pick([() => date, () => random(2 ** 31) * 1000 + random(1000), () => -random(2 ** 31) * 1000, () => Date.UTC(2020 + random(12), pick([0, 11]), pick([1, 2, 3, 4, 28, 29, 30, 31]), random(24)), () => Date.UTC(2000, 0, 1) + (random(9000) - 4500) * 864e5 * 300])();
// Zones have no seconds before 1970 and no rules after 2037 in moment-timezone's data; nothing is committed there.
const zonedInstant = () => pick([() => date, () => random(2 ** 31) * 1000 + random(1000), () => Date.UTC(1970 + random(67), pick([0, 2, 3, 9, 10, 11]), pick([1, 2, 3, 4, 28, 29, 30, 31]), random(24))])();
const pad = (n, w) => String(n).padStart(w, '0');
const dateText = () => {
  const [Y, M, D] = [pad(1970 + random(90), 4), pad(1 + random(12), 2), pad(1 + random(31), 2)];
  const [h, m, s] = [pad(random(25), 2), pad(random(60), 2), pad(random(61), 2)];
  const zone = pick(['Z', '+02:00', '-0530', '', '+0000', '-00:00', '+14:00', 'z']);
  // The rest of what V8 reads (`6 May 24`, `2024/5/6`) is in no event and in no output of git.
  return pick([`${Y}-${M}-${D}T${h}:${m}:${s}${zone}`, `${Y}-${M}-${D} ${h}:${m}:${s} +0200`, `${Y}-${M}-${D}`, `${Y}-${M}`, Y, `"${Y}-${M}-${D} ${h}:${m}:${s} +0200"`, `${Y}-${M}-${D}T${h}:${m}${zone}`, `${Y}-${M}-${D}T${h}:${m}:${s}.${random(100000)}${zone}`, `+00${Y}-${M}-${D}T${h}:${m}:${s}Z`]);
};

// ---- versions
const number = () => pick(['0', '1', '2', '10', '01', '9007199254740991', '9007199254740992', '12345678901234567890', '']);
const versionText = () =>
  mutate(pick(['', '', 'v', 'V', '=', ' v', 'v ', '1!', 'vv']) + many(4, number).join('.') + pick(['', '', '-rc.1', '-alpha', 'a1', 'rc2', '.post1', '-1', 'dev4', '.dev', '-0.3.7', '-01', '-x-y.z', 'b', '.c3', 'pre', '-preview_2', 'rev', 'r1', '.post', 'a.1', '-']) + pick(['', '', '', '+b1', '+ubuntu.1', '+001', '+a..b', '+A-b_c', '.dev3']));

// ---- everything else
const numberText = () => pick([versionText, () => text([...'0123456789.eE+-xXobn_ \t\u00a0Iifty'], 5), () => pick(['Infinity', '-Infinity', '+Infinity', '0x1F', '0b11', '0o17', '-0x1', '1e3', '1E-7', '1e21', '.5', '5.', '1_0', 'NaN', '0x', '00', '0e0', '-0', '1e400', '123456789012345678901234567890', '0.1', '4.35', '1e-400', '2n', '\ufeff7\n'])])();
const csvText = () => text(['a', 'b', ',', ',', '"', '"', '""', '#', '\n', '\r\n', '\r', ' ', 'x=', 'ü'], 12);
const patterns = ['v(\\d+)\\.(\\d+)', '(?<=v)(\\d+)', '(?<major>\\d+)\\.\\k<major>', '(a)?b', '^v?(.*)$', '\\d{2,3}', '[a-z]+(?!\\d)', '(\\w)\\1', '.', '\\p{L}+', '[^\\d.]+', '(?:rc|beta)\\.?(\\d*)', '\\bv', '(x*)*', '(?=(\\d+))\\1', '[\\s\\S]', '$', '\\u{1F600}', '(', '[', '*', 'a{2', '\\', '(?<!v)\\d', '[\\w-.]+', '\\cA', '\\8', ']', '}', '(?<n>a)(?<n>b)', '\\x3', '[b-a]', 'é', '(?<=(\\d+)(\\d+))$', '\\-', '\\_', '(?:)', '((a)|b)+', '[]', '[^]'];
const flags = ['', '', '', 'i', 'g', 'u', 'v', 'm', 's', 'y', 'gi', 'gu', 'd', 'x', 'gg', 'uv', 'gy', 'iu'];
const subjects = ['v1.2.3', 'v12.12', 'aab', 'ünïcödé-1', 'x😀y', 'app-v1.0.0-rc.1', '', 'V1', 'line\nv2', '1223334444', 'bbb', '{2'];
const key = () => text(['a', 'b', 'B', 'A', 'z', 'Z', '1', '10', '2', '.', '-', '_', ',', '/', ' ', 'é', 'e\u0301', 'ß', 'ss', 'ä', '#', '@', '~', '$', '+', '中', '\u200b', 'ñ', 'œ', 'i', 'İ', 'ı', '😀', '\t', ':', "'", '!', '(', 'а'], 6);

const layers = {
  template: () => {
    const kind = pick(['global', 'global', 'semver']);
    const source = mutate(template(kind));
    return {kind, in: source, ...expand(kind, source)};
  },
  moment: () => {
    const zone = pick(zones);
    // An empty line alone fails, which the tests of `date` look at.
    const [at, source] = [zone === 'UTC' ? anyInstant() : zonedInstant(), format().replace(/^\n+$/, '')];
    return {at, in: source, zone, ...attempt(() => moment(at).tz(zone).format(source))};
  },
  date: () => {
    const source = dateText();
    const at = new Date(source).getTime();
    return {in: source, out: Number.isNaN(at) ? null : at};
  },
  csv: () => {
    const [source, relaxed] = [csvText(), random(2) === 0];
    const options = relaxed ? {columns: false, relaxQuotes: true, comment: '#', comment_no_infix: true} : {};
    return {in: source, relaxed, ...attempt(() => parse(source, {...options, relaxColumnCount: true, skipEmptyLines: true}))};
  },
  semver: () => {
    const source = versionText();
    if (!semver.valid(source)) return {in: source, fails: true};
    const v = semver.parse(source, {loose: true});
    return {in: source, out: [v.raw, v.version, String(v.major), String(v.minor), String(v.patch), String(v.prerelease), String(v.build)]};
  },
  pep440: () => {
    const source = versionText();
    if (!pep440.valid(source)) return {in: source, fails: true};
    const v = pep440.explain(source);
    const plain = !(v.is_prerelease || v.is_postrelease || v.is_devrelease);
    return {in: source, out: [pep440.clean(source), String(pep440.major(source)), String(pep440.minor(source)), String(pep440.patch(source)), String(plain)]};
  },
  number: () => {
    const source = numberText();
    return {in: source, out: String(Number(source))};
  },
  sort: () => {
    const list = many(9, () => pick(['1', '2', '3', '900', 'x', '', '1e3', '-1', 'Infinity']));
    const order = list.map((priority, at) => ({priority, at}));
    order.sort((a, b) => (Number(a.priority) < Number(b.priority) ? 1 : Number(a.priority) > Number(b.priority) ? -1 : 0));
    return {in: list, out: order.map(o => o.at)};
  },
  pattern: () => {
    const [body, flag, subject] = [mutate(pick(patterns)), pick(flags), pick(subjects)];
    // `regress` refuses a caret inside a class of the flag `v`, which is not worth a parser.
    if (flag.includes('v') && body.includes('^')) return layers.pattern();
    const rule = pick([`/${body}/${flag}`, `/${body}/${flag}`, body]);
    return {
      in: rule,
      subject,
      ...attempt(() => {
        const parts = rule.match(/^\/(.+)\/(.*)$/);
        const found = parts ? subject.match(new RegExp(parts[1], parts[2])) : subject.match(rule);
        return found ? [...found].map(group => group ?? null) : null;
      })
    };
  },
  collation: () => {
    const [a, b] = [key(), key()];
    return {in: [a, b], out: Math.sign(a.localeCompare(b))};
  }
};

for (const [layer, record] of Object.entries(layers)) {
  const seen = new Set();
  for (let tries = 0; seen.size < count && tries < count * 20; tries++) {
    const line = JSON.stringify(record());
    // Half a surrogate pair is no text outside of JavaScript.
    if (!/\\ud[89a-f]/.test(line)) seen.add(line);
  }
  fs.writeFileSync(path.join(directory, `${layer}.jsonl`), [...seen].join('\n') + '\n');
}
