// Riffy.

import { CHANNEL, GUILD, USER, gateway, load, loaded, query, run, setting, trackEnded, until } from "./steps.mjs";

const { Riffy } = load("riffy");

const send = gateway((packet) => riffy.updateVoiceState(packet));
const nodes = setting.nodes.map(({ host, port, password }, number) => (
  { name: `node-${number}`, host, port, password, secure: false }
));
const riffy = new Riffy({}, nodes, { send, restVersion: "v4", defaultSearchPlatform: "ytsearch" });
riffy.on("trackEnd", trackEnded);
riffy.on("queueEnd", trackEnded); // in place of trackEnd, after the last track
riffy.on("nodeError", (node, error) => console.error(node.name, error));
let player;
const find = (identifier) => riffy.resolve({ query: query(identifier), requester: USER });

await run({
  async connect() {
    riffy.init(USER);
    await until(() => [...riffy.nodeMap.values()].every((node) => node.connected && node.sessionId));
  },
  load: async (identifier) => loaded((await find(identifier)).loadType),
  async join() {
    player = riffy.createConnection({ guildId: GUILD, voiceChannel: CHANNEL, textChannel: CHANNEL });
  },
  async play(identifier) {
    player.queue.add((await find(identifier)).tracks[0]);
    await player.play();
  },
  pause: async (paused) => void (await player.pause(paused)),
  seek: async (milliseconds) => void (await player.seek(milliseconds)),
  volume: async (percent) => void (await player.setVolume(percent)),
  filters: async () => void (await player.filters.setTimescale(true, { speed: 2 })),
  move: async () => void (await riffy.migrate(player)),
});
