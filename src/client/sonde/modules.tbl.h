/* client/sonde/modules.tbl.h - the parts of the library, in the order in which they start and
 * flush; they stop in the reverse order: MODULE(name), where name_module is its struct module
 * (client/core/module.h). The order is that of src/LAYERS, but for send, which comes first: it
 * takes what the others flush, and stops last. */
MODULE(send)
MODULE(stack)
MODULE(metric)
MODULE(trace)
MODULE(operation)
MODULE(frames)
MODULE(alarm)
MODULE(cache)
MODULE(log)
MODULE(bus)
MODULE(memory)
MODULE(health)
MODULE(error)
MODULE(crash)
MODULE(debug)
