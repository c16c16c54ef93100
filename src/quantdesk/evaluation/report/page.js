"use strict";
document.documentElement.classList.add("lively");

// The readout: the legend shows the values under the pointer, or the last ones.
const minus = (text) => text.replace("-", "−");
const show = (value, isPercent) =>
  value === null ? "–" : minus(value.toFixed(isPercent ? 2 : 3)) + (isPercent ? "\u202f%" : "");

for (const figure of document.querySelectorAll("figure.timeline")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const when = figure.querySelector("time"), values = figure.querySelectorAll(".key b");
  const plots = figure.querySelectorAll(".plot"), last = data.times.length - 1;
  let at = last;
  const read = (row, isReading) => {
    at = Math.max(0, Math.min(last, row));
    when.textContent = data.times[at];
    data.lines.forEach((line, index) => { values[index].textContent = show(line.values[at], line.percent); });
    figure.classList.toggle("reading", isReading);
    for (const cross of figure.querySelectorAll(".cross")) cross.style.left = `${(100 * at) / last}%`;
  };
  for (const plot of plots) {
    const follow = (event) => {
      const box = plot.getBoundingClientRect();
      read(Math.round((last * (event.clientX - box.left)) / box.width), true);
    };
    plot.addEventListener("pointermove", follow);
    plot.addEventListener("pointerdown", follow);
    plot.addEventListener("pointerleave", () => read(last, false));
  }
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (!step) return;
    event.preventDefault();
    read(at + step, true);
  });
  figure.addEventListener("blur", () => read(last, false));
}

// The trades: columns in, one sheet of rows shown at a time.
const stored = document.getElementById("fills");
if (stored) {
  const data = JSON.parse(stored.textContent), sheet = document.getElementById("sheet"), perSheet = 16;
  const column = Object.fromEntries(
    ["time", "symbol", "quantity", "price", "fee"].map((name) => [name, data[name].split(" ")]));
  const n = column.time.length, form = sheet.querySelector("form"), rows = sheet.querySelector("tbody");
  const [back, on] = [sheet.querySelector("[name=back]"), sheet.querySelector("[name=on]")];
  let chosen = [], first = 0;
  const whole = (value, digits) => minus(value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const money = (value) => whole(value, 2);
  const plain = (text) => {
    const [units, rest = ""] = text.replace("-", "").split(".");
    const kept = rest.replace(/0+$/, "");
    return (text.startsWith("-") ? "−" : "") + units.replace(/\B(?=(\d{3})+$)/g, ",") + (kept ? "." + kept : "");
  };
  const price = (text) => { const value = Number(text); return whole(value, Math.abs(value) < 1 ? 6 : Math.abs(value) < 10 ? 4 : 2); };
  const cells = (row) => [
    data.times[column.time[row]], data.symbols[column.symbol[row]], column.quantity[row].startsWith("-") ? "sell" : "buy",
    plain(column.quantity[row]), price(column.price[row]),
    money(Math.abs(column.quantity[row] * column.price[row])), money(Number(column.fee[row])),
  ];
  const draw = () => {
    rows.replaceChildren(...chosen.slice(first, first + perSheet).map((row) => {
      const line = document.createElement("tr");
      for (const text of cells(row)) line.append(Object.assign(document.createElement("td"), { textContent: text }));
      return line;
    }));
    const end = Math.min(first + perSheet, chosen.length);
    sheet.querySelector(".pager span").textContent = chosen.length ? `${whole(first + 1, 0)} to ${whole(end, 0)} of ${whole(chosen.length, 0)}` : "none";
    back.disabled = first === 0;
    on.disabled = end >= chosen.length;
  };
  const choose = () => {
    const wanted = form.symbol.value.trim().toUpperCase(), side = form.side.value;
    const known = data.symbols.map((symbol) => symbol.toUpperCase());
    const isExact = known.includes(wanted);
    const fits = known.map((symbol) => (isExact ? symbol === wanted : symbol.startsWith(wanted)));
    chosen = [];
    let bought = 0, sold = 0, fees = 0;
    for (let row = 0; row < n; row++) {
      const isSale = column.quantity[row].startsWith("-");
      if (!fits[column.symbol[row]] || (side && (side === "-1") !== isSale)) continue;
      chosen.push(row);
      const value = Math.abs(column.quantity[row] * column.price[row]);
      if (isSale) sold += value; else bought += value;
      fees += Number(column.fee[row]);
    }
    first = 0;
    sheet.querySelector(".sum").textContent =
      `${whole(chosen.length, 0)} of ${whole(n, 0)} trades · bought ${whole(bought, 0)} · sold ${whole(sold, 0)} · fees ${money(fees)}`;
    draw();
  };
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const save = () => {
    const lines = chosen.map((row) => [data.times[column.time[row]], quoted(data.symbols[column.symbol[row]]),
      column.quantity[row], column.price[row], column.fee[row]].join(","));
    const file = new Blob(["time,symbol,quantity,price,fee\n" + lines.join("\n") + "\n"], { type: "text/csv" });
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "trades.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  for (const symbol of data.symbols) document.getElementById("symbols").append(Object.assign(document.createElement("option"), { value: symbol }));
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.csv.addEventListener("click", save);
  back.addEventListener("click", () => { first = Math.max(0, first - perSheet); draw(); });
  on.addEventListener("click", () => { first += perSheet; draw(); });
  choose();
}
