// The steps that a script does with its client, for clients of Node.js; `steps.py` has the same for Python, and says how
// the script and the test take turns.

import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const STEP_LIMIT = 15_000;

export const USER = "170939974227541168";
export const GUILD = "81384788765712384";
export const CHANNEL = "155101607195836416";

export const setting = JSON.parse(process.argv[2]);

// Loads a package from the environment of the client.
export const load = createRequire(`${process.env.CLIENT_FOLDER}/`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let endings = 0;

// What a client's listener calls when a track has ended.
export function trackEnded() {
  endings += 1;
}

// Waits for what a client does in the background, such as a connection.
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50));
}

// The stand-in for Discord: returns what sends to the gateway; `deliver` gets the events that answer it, a moment later.
export function gateway(deliver) {
  return (payload) => {
    const { op, d } = typeof payload === "string" ? JSON.parse(payload) : payload;
    if (op !== 4) return;
    const state = {
      guild_id: d.guild_id, channel_id: d.channel_id, user_id: USER, session_id: "voice-session", deaf: false,
      mute: false, self_deaf: d.self_deaf ?? false, self_mute: d.self_mute ?? false, self_video: false, suppress: false,
    };
    const server = { guild_id: d.guild_id, token: "t", endpoint: setting.endpoint };
    setImmediate(async () => {
      await deliver({ op: 0, t: "VOICE_STATE_UPDATE", d: state });
      if (d.channel_id) await deliver({ op: 0, t: "VOICE_SERVER_UPDATE", d: server });
    });
  };
}

// What clients use of a bot made with discord.js, on the stand-in.
export function discordJs() {
  const bot = new EventEmitter();
  const shard = { send: gateway((packet) => bot.emit("raw", packet)) };
  const one = { get: () => shard };
  return Object.assign(bot, { user: { id: USER }, ws: { shards: one }, guilds: { cache: { get: () => ({ shard }) } } });
}

// The outcome of a load, from its load type.
export function loaded(type) {
  return { search: "tracks", track: "track", playlist: "playlist", empty: "nothing", error: "error" }[type] ?? `${type}`;
}

// The words of a search, without the prefix, which these clients add.
export function query(identifier) {
  return identifier.replace(/^ytsearch:/, "");
}

async function say(step, outcome) {
  console.log(JSON.stringify({ step, client: outcome }));
  const { value } = await lines.next();
  return value;
}

async function outcome(work) {
  let timer;
  const limit = new Promise((resolve) => {
    timer = setTimeout(() => resolve(`no return in ${STEP_LIMIT / 1000} s`), STEP_LIMIT);
  });
  try {
    const returned = await Promise.race([work(), limit]);
    return typeof returned === "string" ? returned : "ok";
  } catch (error) {
    console.error(error);
    return `raises ${error?.constructor?.name ?? typeof error}`;
  } finally {
    clearTimeout(timer);
  }
}

async function controls(client) {
  const { tracks } = setting;
  for (const kind of ["search", "url", "playlist", "empty", "error"]) {
    if (kind in tracks) await say(kind, await outcome(() => client.load(tracks[kind])));
  }
  await say("voice", await outcome(() => client.join()));
  await say("play", await outcome(() => client.play(tracks.long)));
  await say("pause", await outcome(() => client.pause(true)));
  await say("resume", await outcome(() => client.pause(false)));
  await say("seek", await outcome(() => client.seek(20_000)));
  await say("volume", await outcome(() => client.volume(50)));
  await say("filters", await outcome(() => client.filters()));
  if (setting.kind === "nodelink") return; // it does not know how long a file is, so clients do not seek to near its end
  endings = 0;
  const sought = await outcome(() => client.seek(58_500));
  const event = await outcome(() => until(() => endings > 0));
  await say("end", sought !== "ok" ? sought : event === "ok" ? "event" : "no event");
}

// Plays, loses the connection or the node, and sees what is left.
async function lost(client) {
  const joined = await outcome(() => client.join());
  const played = await outcome(() => client.play(setting.tracks.long));
  await say("begin", joined === "ok" ? played : joined);
  await say("ahead", await outcome(() => client.seek(20_000)));
  const answer = await say(setting.phase, "");
  if (setting.phase === "drop") await say("pause after drop", await outcome(() => client.pause(true)));
  else if (answer === "stayed") await say("move", await outcome(() => client.move()));
}

// Does the steps. The test ends the process, so nothing is closed; a bot survives what its client does not catch.
export async function run(client) {
  process.on("uncaughtException", (error) => console.error("not caught:", error));
  process.on("unhandledRejection", (error) => console.error("not caught:", error));
  await say("connect", await outcome(() => client.connect()));
  if (setting.phase === "controls") await controls(client);
  else await lost(client);
  await say("done", "");
}
