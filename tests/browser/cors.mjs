// SPDX-License-Identifier: Apache-2.0
// Pages of two other origins in Debian's Chromium, of the gateway's own site, so that its cookie goes along. Reads {url, listed, other, user} as
// JSON from standard input and writes as JSON what each try saw: {try: what came of it}. Judges nothing; tests/e2e/test_cors_page.py does.
import {readFileSync} from "node:fs";
import {chromium} from "playwright-core";

const {url, listed, other, user} = JSON.parse(readFileSync(0, "utf8"));
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/* Runs in a page: what it could read of the answer, or that the browser gave it none. */
async function ask({target, options}) {
  try {
    const answer = await fetch(target, options);
    return {type: answer.type, status: answer.status, id: (answer.headers.get("x-request-id") ?? "").length > 0,
      limit: answer.headers.get("ratelimit-policy") !== null, retry: answer.headers.get("retry-after") !== null};
  } catch (e) {
    return {threw: e.name};
  }
}

const change = (name) => ({method: "POST", credentials: "include", headers: {"Content-Type": "application/json"},
  body: JSON.stringify({name, strategy_type: "momentum"})});

const browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: FLAGS});
const context = await browser.newContext({ignoreHTTPSErrors: true});
const page = await context.newPage();
const seen = {};
const as = (name, target, options) => page.evaluate(ask, {target: url + target, options}).then((got) => { seen[name] = got; });

/* The demo page as a person uses it: what it says once signed in, then of the first bot started; and how its requests were signed. */
async function use(address) {
  const signed = new Set();
  const note = (r) => r.url().startsWith(`${url}/api/bots`) && r.method() !== "OPTIONS" && signed.add((r.headers().authorization ?? "").slice(0, 11));
  const says = (text) => page.waitForFunction((old) => ![old, "…"].includes(document.getElementById("said").textContent), text)
    .then(() => page.getByRole("status").textContent());
  page.on("request", note);
  await page.goto(address);
  await page.getByLabel("User name").fill(user.username);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", {name: "Sign in"}).click();
  const first = await says("");
  const buttons = page.getByRole("listitem").getByRole("button");
  const bots = await buttons.count();
  if (bots > 0) {
    await buttons.first().click();
  }
  const then = bots > 0 ? await says(first) : "";
  page.off("request", note);
  return {first, bots, then, signed: [...signed], script: await page.evaluate(() => document.cookie)};
}

seen["own demo page"] = await use(`${url}/demo/`);
seen.cookies = (await context.cookies(url)).map(({name, httpOnly, secure, sameSite}) => ({name, httpOnly, secure, sameSite}));

seen["listed demo page"] = await use(`${listed}/?api=${url}`);
await as("listed reads", "/api/bots", {credentials: "include"});
await as("listed changes", "/api/bots", change("of the listed page"));
await as("listed is refused", "/api/nowhere", {credentials: "include"});
await as("listed without the user", "/api/bots", {});
seen["null origin"] = await page.evaluate((source) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.srcdoc = `<script>${source}</script>`;
  addEventListener("message", (e) => done(e.data), {once: true});
  document.body.append(frame);
}), `fetch("${url}/api/bots", ${JSON.stringify(change("of null"))}).then((a) => a.status, (e) => ({threw: e.name})).then((s) => parent.postMessage(s, "*"))`);

seen["other demo page"] = await use(`${other}/?api=${url}`);
await as("other reads", "/api/bots", {credentials: "include"});
await as("other changes", "/api/bots", change("of the other page"));
await as("other changes blindly", "/api/bots", {method: "POST", mode: "no-cors", credentials: "include", body: '{"name": "blind", "strategy_type": "momentum"}'});
await as("other deletes", "/api/bots/bot-1", {method: "DELETE", credentials: "include"});
seen["other's image"] = await page.evaluate((source) => new Promise((done) => {
  const image = new Image();
  image.onload = () => done("loaded");
  image.onerror = () => done("nothing");
  image.src = source;
}), `${url}/api/bots`);
const [landed] = await Promise.all([page.waitForResponse((r) => r.url().startsWith(url)), page.evaluate((action) => {
  const form = Object.assign(document.createElement("form"), {method: "POST", action, enctype: "text/plain"});
  form.append(Object.assign(document.createElement("input"), {name: '{"name": "of a form", "strategy_type": "', value: 'momentum"}'}));
  document.body.append(form);
  form.submit();
}, `${url}/api/bots`)]);
seen["other's form"] = landed.status();

await browser.close();
console.log(JSON.stringify(seen));
