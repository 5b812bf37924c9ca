// Poru, with a bot of discord.js: without one it refuses every function that sends.

import { CHANNEL, GUILD, discordJs, load, loaded, query, run, setting, trackEnded, until } from "./steps.mjs";

const { Poru } = load("poru");

const nodes = setting.nodes.map(({ host, port, password }, number) => (
  { name: `node-${number}`, host, port, password }
));
const poru = new Poru(discordJs(), nodes, { library: "discord.js" });
poru.on("trackEnd", trackEnded);
poru.on("queueEnd", trackEnded); // in place of trackEnd, after the last track
poru.on("nodeError", (node, error) => console.error(node.name, error));
let player;
const find = (identifier) => poru.resolve({ query: query(identifier), source: "ytsearch" });

await run({
  async connect() {
    await poru.init();
    const ready = () => [...poru.nodes.values()].filter((node) => node.isConnected && node.sessionId);
    await until(() => ready().length === nodes.length);
  },
  load: async (identifier) => loaded((await find(identifier)).loadType),
  async join() {
    player = poru.createConnection({ guildId: GUILD, voiceChannel: CHANNEL, textChannel: CHANNEL });
  },
  async play(identifier) {
    player.queue.add((await find(identifier)).tracks[0]);
    await (player.currentTrack ? player.skip() : player.play());
  },
  pause: async (paused) => void (await player.pause(paused)),
  seek: (milliseconds) => player.seekTo(milliseconds),
  volume: async (percent) => void (await player.setVolume(percent)),
  filters: async () => void (await player.filters.setTimescale({ speed: 2 })),
  move: async () => void (await player.autoMoveNode()),
});
