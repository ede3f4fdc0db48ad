// Runs one contender in a process of its own, so that its memory and CPU time are its own.
// Arguments: the contender's name and a job as JSON; the result goes to the parent as a message.
import 'reflect-metadata';
import { contenders } from './contenders';
import type { Job } from './job';

async function main(): Promise<void> {
  const [name = '', job = '{}'] = process.argv.slice(2);
  const contender = contenders[name];
  if (!contender) throw new Error(`There is no contender ${name}`);
  const startCpu = process.cpuUsage();
  const start = performance.now();
  await contender(JSON.parse(job) as Job, () => process.send?.({ half: true }));
  const seconds = (performance.now() - start) / 1_000;
  const cpu = process.cpuUsage(startCpu);
  process.send?.({
    seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  });
  process.disconnect?.();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
