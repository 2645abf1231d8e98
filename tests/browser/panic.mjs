// SPDX-License-Identifier: Apache-2.0
// The page of the panic button in Debian's Chromium, at a telephone's size. Reads {url, users, shots} as JSON from standard input, plays
// the scenes one after the other, each from a fresh load of the page, and writes as JSON what was seen in each: {scene: {…} or {error}}. Judges nothing;
// tests/e2e/test_panic_page.py does.
import {readFileSync} from "node:fs";
import {chromium} from "playwright-core";

const {url, users, shots} = JSON.parse(readFileSync(0, "utf8"));
const TELEPHONE = {width: 320, height: 640};
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/* ---- what a person does ---- */

async function signIn(page, user, password = user.password) {
  await page.getByLabel("User name").fill(user.username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", {name: "Sign in"}).click();
}

async function signedIn(page, user) {
  await signIn(page, user);
  await page.getByText(/^Mode: /).waitFor();
  return textOf(page, "mode");
}

async function stop(page, reason) {
  await page.getByRole("button", {name: "Stop new risk"}).click();
  await page.getByLabel("Reason").fill(reason);
  await page.getByRole("button", {name: "Yes, stop now"}).click();
  await page.getByRole("dialog").waitFor({state: "hidden"});
}

async function lift(page) {
  await page.getByRole("button", {name: /^Lift /}).first().click();
  await page.getByRole("button", {name: "Yes, lift it"}).click();
  await page.getByRole("dialog").waitFor({state: "hidden"});
}

const textOf = (page, id) => page.locator(`#${id}`).innerText();

async function trouble(page) {
  await page.waitForFunction(() => document.getElementById("trouble").textContent !== "");
  return textOf(page, "trouble");
}

/* ---- what the page is like ---- */

/* Runs in the page: what is too small for a finger, sticks out, has no name, or has too little contrast (WCAG 2.2: 2.5.8, 1.4.10, 4.1.2, 1.4.3). */
function looks() {
  const seen = [...document.querySelectorAll("*")].filter((e) => e.checkVisibility());
  const rgb = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const paper = (e) => {
    for (; e !== null; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] !== 0)
        return color;
    }
    return [255, 255, 255];
  };
  const contrast = (e) => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(paper(e))];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  };
  const controls = seen.filter((e) => e.matches("input, select, button"));
  const texts = seen.filter((e) => !e.disabled && [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim()));
  return {
    wide: document.documentElement.scrollWidth > innerWidth,
    small: controls.filter((e) => e.getBoundingClientRect().height < 48 || e.getBoundingClientRect().width < 48).map((e) => e.id),
    nameless: controls.filter((e) => !e.innerText && !e.labels?.length).map((e) => e.id),
    faint: texts.filter((e) => contrast(e) < 4.5).map((e) => `${e.tagName} ${e.id} ${contrast(e).toFixed(2)}`),
  };
}

/* ---- scenes ---- */

const scenes = {
  async "a wrong password"(page) {
    await signIn(page, users.trader, "Wrong-1-password");
    return {said: await trouble(page), desk: await page.locator("#desk").isVisible(), focus: await page.evaluate(() => document.activeElement.id)};
  },

  async "a trader stops new risk"(page, context) {
    const before = await signedIn(page, users.trader);
    await page.getByRole("button", {name: "Stop new risk"}).click();
    const asked = await page.evaluate(looks);
    await page.screenshot({path: `${shots}/ask.png`});
    await page.keyboard.press("Escape");
    const escaped = await textOf(page, "mode");
    await stop(page, "<b>rates</b> jump");
    await page.getByText("Mode: risk-off").waitFor();
    await page.screenshot({path: `${shots}/risk-off.png`, fullPage: true});
    return {
      before, escaped, asked, after: await textOf(page, "mode"), entries: await textOf(page, "entries"),
      kept: await page.evaluate(() => localStorage.length + sessionStorage.length), cookies: (await context.cookies()).length,
    };
  },

  async "a trader may not lift"(page) {
    await signedIn(page, users.trader);
    await lift(page);
    return {said: await trouble(page), after: await textOf(page, "mode")};
  },

  async "a viewer may not stop, in the dark"(page) {
    await page.emulateMedia({colorScheme: "dark"});
    const before = await signedIn(page, users.viewer);
    await stop(page, "");
    await page.screenshot({path: `${shots}/dark.png`, fullPage: true});
    return {before, said: await trouble(page), after: await textOf(page, "mode")};
  },

  async "an administrator lifts"(page) {
    await signedIn(page, users.admin);
    await lift(page);
    await page.getByText("Mode: off").waitFor();
    return {after: await textOf(page, "mode"), entries: await textOf(page, "entries")};
  },

  async "signing out ends the session"(page) {
    let token = null;
    page.on("request", (r) => { token ??= r.headers()["authorization"] ?? null; });
    await signedIn(page, users.viewer);
    await page.getByRole("button", {name: "Sign out"}).click();
    await page.getByLabel("User name").waitFor();
    const answer = await page.request.get(`${url}/aaiti/v1/mode`, {headers: {authorization: token}});
    return {status: answer.status(), said: await textOf(page, "trouble")};
  },

  async "control is down, then the network"(page) {
    await signedIn(page, users.viewer);
    await page.route("**/aaiti/v1/*", (route) => route.fulfill({status: 503, contentType: "application/problem+json", body: "{}"}));
    await stop(page, "");
    const down = await trouble(page), stale = await textOf(page, "stale");
    await page.unrouteAll();
    await page.route("**/aaiti/v1/*", (route) => route.abort());
    await stop(page, "");
    return {down, stale, gone: await trouble(page)};
  },

  async "markup from the gateway"(page) {
    const evil = "<img src=x onerror=document.title='owned'><b>bold</b>";
    const entry = {scope: evil, mode: evil, since: "2026-01-01T00:00:00Z", until: null, by: evil, reason: evil};
    await page.route("**/aaiti/v1/mode", (route) => route.fulfill({json: {mode: evil, entries: [entry]}}));
    await signedIn(page, users.viewer);
    return {elements: await page.locator("img, b").count(), title: await page.title(), mode: await textOf(page, "mode")};
  },
};

/* ---- playing ---- */

/* Chromium writes a line for each answer of 4xx and 5xx; that one was asked for. */
const isFault = (message) => ["error", "warning"].includes(message.type()) && !message.text().startsWith("Failed to load resource");

const browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: FLAGS, chromiumSandbox: false});
const context = await browser.newContext({viewport: TELEPHONE, ignoreHTTPSErrors: true, hasTouch: true, isMobile: true});
context.setDefaultTimeout(10000);
await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)));
const page = await context.newPage();
let faults, elsewhere;
page.on("console", (message) => { if (isFault(message)) faults.push(message.text()); });
page.on("pageerror", (error) => faults.push(String(error)));
page.on("request", (request) => { if (!request.url().startsWith(url)) elsewhere.push(request.url()); });

async function play(scene) {
  faults = [];
  elsewhere = [];
  await page.unrouteAll();
  await page.emulateMedia({colorScheme: null});
  try {
    await page.goto(`${url}/aaiti/panic`);
    const first = await page.evaluate(looks);
    const seen = await scene(page, context);
    return {...seen, looks: [first, await page.evaluate(looks)], faults, elsewhere};
  } catch (error) {
    return {error: String(error), faults};
  }
}

const seen = {};
for (const [name, scene] of Object.entries(scenes))
  seen[name] = await play(scene);
await browser.close();
console.log(JSON.stringify(seen));
