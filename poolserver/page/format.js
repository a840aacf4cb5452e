/** Figures, times and limits in words. Pure: time is an argument. */

export const NOTHING = "–";

const PREFIXES = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
/** Operators of power speak of thousands of megawatts. */
const MOST = { W: 1e6 };
/** Nothing that mines draws less: what a processor's shares come to on a test chain is told as 0 W. */
const LEAST = { W: 1e-3 };
/** Of a normal error, for 95%. */
const Z95 = 1.96;

/** The power of ten that `value` is told in, and its letter. */
function prefixOf(value, unit) {
  const size = Math.abs(value);
  const most = MOST[unit] ?? Infinity;
  return PREFIXES.find(([scale]) => scale <= most && size >= scale) ?? [1, ""];
}

/** `value`, or nothing where it is too little to be told. */
function told(value, unit) {
  return Math.abs(value) < (LEAST[unit] ?? 0) ? 0 : value;
}

/** `decimals` behind the point, with narrow spaces between thousands, where no line breaks. */
function plain(value, decimals) {
  const [whole, part] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
  const sign = value < 0 && Number(value.toFixed(decimals)) !== 0 ? "\u2212" : "";
  return sign + grouped + (part ? `.${part}` : "");
}

/** So many decimals that `digits` of them mean something. */
function decimalsOf(size, digits) {
  if (size === 0) return 0;
  return Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(size))));
}

/** A value of a unit, as "174.2 kW". */
export function quantity(value, unit, digits = 4) {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const [scale, letter] = prefixOf(value, unit);
  const shown = told(value, unit) / scale;
  const text = plain(shown, decimalsOf(Math.abs(shown), digits));
  return unit || letter ? `${text}\u00a0${letter}${unit}` : text;
}

/**
 * A figure in two parts: {text: "174.2 ± 3.1", unit: "kW"}. The error has two digits, the value as many decimals; an
 * error that six digits of the value do not show is left out.
 */
export function figureParts(figure, unit) {
  if (figure == null || !Number.isFinite(figure.value)) return { text: NOTHING, unit: "" };
  const value = told(figure.value, unit);
  const sigma = told(figure.sigma || 0, unit);
  const [scale, letter] = prefixOf(Math.max(Math.abs(value), sigma), unit);
  const error = sigma / scale;
  const most = decimalsOf(Math.abs(value / scale) || error, 6);
  if (Number(error.toFixed(most)) === 0) return { text: plain(value / scale, decimalsOf(Math.abs(value / scale), 4)), unit: letter + unit };
  const decimals = Math.min(decimalsOf(error, 2), most);
  const text = `${plain(value / scale, decimals)} ± ${plain(error, decimals)}`;
  return { text, unit: letter + unit };
}

/** "174.2 ± 3.1 kW". */
export function figure(given, unit) {
  const { text, unit: named } = figureParts(given, unit);
  return named ? `${text}\u00a0${named}` : text;
}

/** The ends of the 95% interval. A power or a hashrate is not below nothing. */
export function interval95({ value, sigma }) {
  return { low: Math.max(0, value - Z95 * sigma), high: value + Z95 * sigma };
}

/** "168.1 to 180.3 kW": both ends as the upper one is told. */
export function rangeWords(low, high, unit) {
  const [scale, letter] = prefixOf(high, unit);
  const decimals = decimalsOf(told(high, unit) / scale, 4);
  return `${plain(low / scale, decimals)} to ${plain(high / scale, decimals)}\u00a0${letter}${unit}`;
}

/** "95%: 168.1 to 180.3 kW". */
export function intervalWords(given, unit) {
  if (given == null) return "not known";
  const { low, high } = interval95(given);
  return `95%: ${rangeWords(low, high, unit)}`;
}

export function percent(part, decimals = 2) {
  return part == null || !Number.isFinite(part) ? NOTHING : `${plain(part * 100, decimals)}\u00a0%`;
}

export function count(value) {
  return value == null ? NOTHING : plain(value, 0);
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Satoshi as bitcoin, all eight decimals: they are money. */
export function bitcoin(satoshi) {
  if (satoshi == null) return NOTHING;
  const sign = satoshi < 0 ? "\u2212" : "";
  const text = String(Math.abs(satoshi)).padStart(9, "0");
  return `${sign}${text.slice(0, -8)}.${text.slice(-8)}\u00a0BTC`;
}

/** "42 s", "3 min", "2 h 5 min", "3 d 4 h". No line breaks before a unit. */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING;
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s}\u00a0s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours}\u00a0h ${minutes % 60}\u00a0min` : `${hours}\u00a0h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days}\u00a0d ${hours % 24}\u00a0h` : `${days}\u00a0d`;
}

/** "3 min ago" of a moment. */
export function ago(at, now) {
  return at == null ? NOTHING : `${duration(now - at)} ago`;
}

const two = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The viewer's clock: "18:00", or "18:00:05". */
export function clock(at, withSeconds = false) {
  const date = new Date(at * 1000);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return withSeconds ? `${text}:${two(date.getSeconds())}` : text;
}

/** The viewer's clock, with the day where it is another than that of `now`. */
export function moment(at, now, withSeconds = false) {
  const date = new Date(at * 1000);
  const text = clock(at, withSeconds);
  if (date.toDateString() === new Date(now * 1000).toDateString()) return text;
  const year = date.getFullYear() === new Date(now * 1000).getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year} ${text}`;
}

/** "2026-11-28 13:00:05 UTC", for titles. */
export function utc(at) {
  return `${new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Who says a limit: "NTDC", "the schedule of NTDC", "the transformer itself". */
export function limitBy({ kind, source, reason }) {
  const why = reason ? ` (${reason})` : "";
  if (kind === "physical") return `what the ${source || "node"} can carry`;
  if (kind === "failsafe") return `the failsafe of ${source}${why}`;
  if (kind === "mining") return `${source}, for mining alone${why}`;
  return `${source}${why}`;
}

/** "until 18:00", or nothing. */
export function untilWords(limit, now) {
  return limit?.valid_until == null ? "" : `until ${moment(limit.valid_until, now)}`;
}

/**
 * How a power stands to its limit: {text, state}. `state` is "none", "below", "near" (within two errors of it)
 * or "over" (beyond doubt).
 */
export function headroomWords(power, now) {
  if (power?.headroom_w == null) return { text: "no limit is set", state: "none" };
  const { headroom_w: room, binding, total_w: total } = power;
  const doubt = 2 * total.sigma;
  const state = room + doubt < 0 ? "over" : room < doubt ? "near" : "below";
  let text = `${quantity(Math.abs(room), "W", 3)} ${room < 0 ? "over" : "below"} the limit`;
  if (state === "near") text += ", within the error";
  if (binding) {
    text += `, set by ${limitBy(binding)}`;
    const until = untilWords(binding, now);
    if (until) text += ` ${until}`;
  }
  return { text, state };
}

/** A hash or a long name with its middle left out. */
export function shortened(text, begin = 6, end = 8) {
  return text.length <= begin + end + 1 ? text : `${text.slice(0, begin)}…${text.slice(-end)}`;
}

/** An event's or trouble's code as words. */
export function words(code) {
  return code.replaceAll("_", " ");
}
