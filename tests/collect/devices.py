#!/usr/bin/env python3
"""Writes tests/collect/devices.tree: a made-up /proc and /sys of a machine that has every device.

One file after another: a line "== PATH", then its text; "== PATH -> TARGET" is a link. The C tests
and compare_devices.py read it.
"""
import os
import sys

FILES = {}
LINKS = {}


def put(folder, **files):
    for name, text in files.items():
        FILES[folder + "/" + name] = str(text)


def numbered(folder, names, first):
    for i, name in enumerate(names.split()):
        FILES[folder + "/" + name] = str(first + i)


def proc():
    LINKS["proc/self"] = "10"
    FILES["proc/interrupts"] = """\
            CPU0       CPU1
   0:         19          0   IO-APIC   2-edge      timer
   9:          3          4   IO-APIC   9-fasteoi   acpi
  33:       1234     567890   PCI-MSI 512000-edge      ahci[0000:00:1f.2], also this
 NMI:         47       5031   Non-maskable interrupts
 RES:   10847134    9111507   Rescheduling interrupts
 ERR:          0
 MIS:          0"""
    FILES["proc/softirqs"] = """\
                    CPU0       CPU1
          HI:          7          1
       TIMER:     424191     108342
      NET_TX:       2301       2430
      NET_RX:      43066     104508
       BLOCK:      23776      24115
    IRQ_POLL:          0          0
     TASKLET:        372       1899
       SCHED:     378895     152852
     HRTIMER:         40        346
         RCU:     155929     146631"""
    FILES["proc/stat"] = """\
cpu  301854 612 111922 8979004 3552 2 3944 0 44 36
cpu0 44490 19 21045 1087069 220 1 3410 0 2 1
cpu1 47869 23 16474 1110787 591 0 46 0 3 2
intr 8885917 17 0 0
ctxt 38014093
btime 1418183276
processes 26442
procs_running 2
procs_blocked 1
softirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444"""
    FILES["proc/slabinfo"] = """\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>
tw_sock_TCP          704    864    256   32    2 : tunables    0    0    0 : slabdata     27     27      0
dmaengine-unmap-128   1206   1320   1088   30    8 : tunables    0    0    0 : slabdata     44     44      0
kmalloc-8192         132    148   8192    4    8 : tunables    0    0    0 : slabdata     37     37      0"""
    FILES["proc/buddyinfo"] = """\
Node 0, zone      DMA      1      0      1      0      2      1      1      0      1      1      3
Node 0, zone    DMA32    759    572    791    475    194     45     12      0      0      0      0
Node 1, zone   Normal   4381   1093    185   1530    567    102      4      0      0      0      0"""
    FILES["proc/zoneinfo"] = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 95612
      nr_active_anon 1175853
      nr_inactive_file 723339
      nr_active_file 688810
      nr_unevictable 213111
      nr_slab_reclaimable 121763
      nr_slab_unreclaimable 56182
      nr_isolated_anon 0
      nr_isolated_file 0
      nr_anon_pages 1156608
      nr_mapped    423143
      nr_file_pages 1740118
      nr_dirty     103
      nr_writeback 0
      nr_shmem     330517
      nr_anon_transparent_hugepages 7
      nr_dirtied   1189097
      nr_written   1181554
  pages free     2949
        min      8
        low      11
        high     14
        spanned  4095
        present  3997
        managed  3973
        protection: (0, 2039, 31932, 31932, 31932)
      nr_free_pages 2949
      nr_zone_inactive_anon 0
      nr_mlock     0
      nr_kernel_stack 22
      numa_hit     1
      numa_miss    2
      numa_foreign 3
      numa_interleave 4
      numa_local   5
      numa_other   6
  pagesets
    cpu: 0
              count: 0
              high:  0
              batch: 1
  vm stats threshold: 8
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone   Normal
  pages free     4539
        min      13
        low      17
        high     20
        spanned  1048576
        present  1048576
        managed  1022540
        protection: (0, 0, 0, 0, 0)
      nr_free_pages 4539
      nr_kernel_stack 17136
      numa_hit     162718019
      numa_miss    0
      numa_foreign 0
      numa_interleave 26812
      numa_local   162718019
      numa_other   0"""
    FILES["proc/mdstat"] = """\
Personalities : [linear] [multipath] [raid0] [raid1] [raid6] [raid5] [raid4] [raid10]

md3 : active raid6 sda1[8] sdh1[7] sdg1[6] sdf1[5] sde1[11] sdd1[3] sdc1[10] sdb1[9] sdd1[10](S) sdd2[11](S)
      5853468288 blocks super 1.2 level 6, 64k chunk, algorithm 2 [8/8] [UUUUUUUU]

md127 : active raid1 sdi2[0] sdj2[1]
      312319552 blocks [2/2] [UU]

md0 : active raid1 sdi1[0] sdj1[1](F)
      248896 blocks [2/1] [U_]

md4 : inactive raid1 sda3[0](F) sdb3[1](S)
      4883648 blocks [2/2] [UU]

md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
      195310144 blocks [2/1] [U_]
      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec

md8 : active raid1 sdb1[1] sda1[0] sdc[2](S) sde[3](S)
      195310144 blocks [2/2] [UU]
      [=>...................]  resync =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec

md201 : active raid1 sda3[0] sdb3[1]
      1993728 blocks super 1.2 [2/2] [UU]
      [=>...................]  check =  5.7% (114176/1993728) finish=0.2min speed=114176K/sec

md7 : active raid6 sdb1[0] sde1[3] sdd1[2] sdc1[1](F)
      7813735424 blocks super 1.2 level 6, 512k chunk, algorithm 2 [4/3] [U_UU]
      bitmap: 0/30 pages [0KB], 65536KB chunk

md9 : active raid1 sdc2[2] sdd2[3] sdb2[1] sda2[0] sde[4](F) sdf[5](F) sdg[6](S)
      523968 blocks super 1.2 [4/4] [UUUU]
      resync=DELAYED

md11 : active (auto-read-only) raid1 sdb2[0] sdc2[1] sdc3[2](F) hda[4](S) ssdc2[3](S)
      4190208 blocks super 1.2 [2/2] [UU]
      resync=PENDING

md12 : active raid0 sdc2[0] sdd2[1]
      3886394368 blocks super 1.2 512k chunks

md00 : active raid0 xvdb[0]
      4186624 blocks super 1.2 256k chunks

unused devices: <none>"""
    FILES["proc/cgroups"] = """\
#subsys_name\thierarchy\tnum_cgroups\tenabled
cpuset\t5\t47\t1
cpu\t3\t172\t1
rdma\t0\t1\t0"""
    FILES["proc/cpuinfo"] = "\n\n".join("""\
processor\t: %d
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 142
model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
stepping\t: 10
microcode\t: 0xb4
cpu MHz\t\t: 799.998
cache size\t: 8192 KB
physical id\t: 0
siblings\t: 8
core id\t\t: %d
cpu cores\t: 4
apicid\t\t: %d
initial apicid\t: %d
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 22
wp\t\t: yes
flags\t\t: fpu vme aes avx avx2 constant_tsc
bugs\t\t: cpu_meltdown spectre_v1 mds
bogomips\t: 4224.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 39 bits physical, 48 bits virtual
power management:""" % (i, i % 2, i, i) for i in range(2))
    FILES["proc/drbd"] = """\
version: 8.4.3 (api:1/proto:86-101)
srcversion: 1A9F77B1CA5FF92235C2213

 1: cs:Connected ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
    ns:17324442 nr:10961646 dw:28263520 dr:118696669 al:1100 bm:221 lo:12345 pe:12346 ua:12347 ap:12348 ep:1 wo:d oos:12349
 2: cs:StandAlone ro:Secondary/Unknown ds:UpToDate/DUnknown   r-----
    ns:1 nr:2 dw:3 dr:4 al:5 bm:6 lo:7 pe:8 ua:9 ap:10 ep:11 wo:f oos:12"""
    FILES["proc/net/ip_vs_stats"] = """\
   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
 16AA370 E33656E5        0     51D8C8883AB3        0

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       4    1FB3C        0          1282A8F                0"""
    FILES["proc/net/ip_vs"] = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0A80016:0CEA wlc
  -> C0A85216:0CEA      Tunnel  100    248        2
  -> C0A85318:0CEA      Tunnel  100    248        1
UDP  C0A80037:0CEA wlc
  -> C0A8320E:0CEA      Tunnel  0      0          0
TCP  [2620:0000:0000:0000:0000:0000:0000:0001]:0050 sh
  -> [2620:0000:0000:0000:0000:0000:0000:0002]:0050      Route   1      0          0
FWM  10001000 wlc
  -> C0A8321A:0CEA      Route   20     64         1"""
    FILES["proc/net/rpc/nfs"] = """\
net 70 70 69 45
rpc 1218785755 374636 1218815394
proc2 18 16 57 74 52 71 73 45 86 0 52 83 61 17 53 50 23 70 82
proc3 22 0 1061909262 48906 4077635 117661341 5 29391916 2570425 2993289 590 0 0 7815 15 1130 0 3983 92385 13332 2 1 23729
proc4 59 """ + " ".join(str(1000 + i) for i in range(59))
    FILES["proc/net/rpc/nfsd"] = """\
rc 3 6 18622
fh 9 0 0 0 0
io 157286400 72864
th 8 0 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000
ra 32 0 0 0 0 0 0 0 0 0 0 5
net 972 55 917 1
rpc 18628 3 1 2 7
proc2 18 2 69 0 0 4410 0 0 0 0 0 0 0 0 0 0 0 99 2
proc3 22 2 112 0 2719 111 0 0 0 0 0 0 0 0 0 0 0 27 216 0 2 1 0
proc4 2 2 10853
proc4ops 72 0 0 0 """ + " ".join(str(1098 + i) for i in range(69))
    FILES["proc/net/stat/arp_cache"] = """\
entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs forced_gc_runs unresolved_discards table_fulls
00000014 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a 0000000b 0000000c
00000014 0000000d 0000000e 0000000f 00000010 00000011 00000012 00000013 00000014 00000015 00000016 00000017 000000ff"""
    FILES["proc/net/stat/nf_conntrack"] = """\
entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000021  00000000 00000000 00000000 00000003 0000588a 00000000 00000000 00000000 00000000 00000000 00000000 00000000  00000000 00000000 00000000 00000000
00000021  00000000 00000000 00000000 00000002 000056a4 00000000 00000000 00000000 00000000 00000000 00000000 00000000  00000000 00000000 00000000 00000002"""
    FILES["proc/10/mountstats"] = """\
device rootfs mounted on / with fstype rootfs
device sysfs mounted on /sys with fstype sysfs
device 192.168.1.1:/srv/test mounted on /mnt/nfs/test with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.0,rsize=1048576,wsize=1048576,namlen=255,hard,proto=tcp,port=0,timeo=600,retrans=2,sec=sys,mountaddr=192.168.1.1,clientaddr=192.168.1.5,addr=192.168.1.1,local_lock=none
\tage:\t13968
\tcaps:\tcaps=0xfff7,wtmult=512,dtsize=32768,bsize=0,namlen=255
\tsec:\tflavor=1,pseudoflavor=1
\tevents:\t52 226 0 0 1 13 398 0 0 331 0 47 0 0 77 0 0 77 0 0 0 0 0 0 0 0 0
\tbytes:\t1207640230 0 0 0 1210214218 0 295483 0
\tRPC iostats version: 1.0  p/v: 100003/4 (nfs)
\txprt:\ttcp 832 0 1 0 11 6428 6428 0 12154 0 24 26 5726
\tper-op statistics
\t        NULL: 0 0 0 0 0 0 0 0
\t        READ: 1298 1298 0 207680 1210292152 6 79386 79407
\t       WRITE: 0 0 0 0 0 0 0 0
\t      ACCESS: 2927395007 2927394995 0 526931094212 362996810236 18446743919241604546 1667369447 1953587717

device 192.168.1.2:/srv/other mounted on /mnt/nfs/other with fstype nfs statvers=1.1
\topts:\trw,vers=3,rsize=32768,wsize=32768,proto=udp,mountaddr=192.168.1.2,mountproto=udp,addr=192.168.1.2
\tage:\t7
\tevents:\t1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27
\tbytes:\t1 2 3 4 5 6 7 8
\tRPC iostats version: 1.0  p/v: 100003/3 (nfs)
\txprt:\tudp 832 0 6428 6428 0 12154 0 24 26 5726
\tper-op statistics
\t        NULL: 1 2 3 4 5 6 7 8 9
"""
    FILES["proc/10/mountinfo"] = """\
1 1 0:5 / / rw shared:1 - rootfs rootfs rw
16 21 0:16 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
177 21 0:42 / /mnt/nfs/test rw shared:130 - nfs4 192.168.1.1:/srv/test rw,vers=4.0,rsize=1048576,wsize=1048576,namlen=255,hard,proto=tcp,port=0,timeo=600,retrans=2,sec=sys,mountaddr=192.168.1.1,clientaddr=192.168.1.5,addr=192.168.1.1,local_lock=none
178 21 0:43 / /mnt/nfs/other rw shared:130 - nfs 192.168.1.2:/srv/other rw,vers=3,rsize=32768,wsize=32768,proto=udp,mountaddr=192.168.1.2,mountproto=udp,addr=192.168.1.2"""
    FILES["proc/10/stat"] = "10 (probe) S 1 10 10 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 1 1 1"
    FILES["proc/sys/fs/file-nr"] = "1024\t0\t1631329"
    FILES["proc/sys/kernel/threads-max"] = "7801"
    FILES["proc/sys/kernel/seccomp/actions_avail"] = "kill_process kill_thread trap errno log allow"
    FILES["proc/sys/kernel/hung_task_detect_count"] = "17"
    FILES["proc/swaps"] = """\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/zram0                              partition\t8388604\t\t76\t\t100
/swap                                   file\t\t1024\t\t0\t\t-2"""
    FILES["proc/net/xfrm_stat"] = """\
XfrmInError             \t4
XfrmInBufferError       \t2
XfrmInHdrError          \t4
XfrmInNoStates          \t3
XfrmInStateProtoError   \t40
XfrmOutBundleGenError   \t43321
XfrmFwdHdrError         \t6654
XfrmAcquireError        \t24532"""


def zfs():
    base = "proc/spl/kstat/zfs"
    stats = {
        "abdstats": "struct_size linear_cnt scatter_order_0",
        "arcstats": "hits misses demand_data_hits memory_all_bytes arc_prune",
        "dbufstats": "cache_count cache_size_bytes hash_chains",
        "dmu_tx": "dmu_tx_assigned dmu_tx_delay",
        "dnodestats": "dnode_hold_dbuf_hold dnode_move_invalid",
        "fm": "erpt-dropped erpt-set-failed fmri-set-failed payload-set-failed",
        "vdev_cache_stats": "delegations hits misses",
        "vdev_mirror_stats": "rotating_linear preferred_not_found",
        "xuio_stats": "onloan_read_buf write_buf_copied",
        "zfetchstats": "hits misses max_streams",
        "zil": "zil_commit_count zil_itx_metaslab_slog_bytes",
    }
    for i, (name, rows) in enumerate(stats.items()):
        FILES[base + "/" + name] = "9 1 0x01 %d 240 4532961 1234567\nname type data\n" % i + "\n".join(
            "%-32s4    %d" % (row, 1000 * i + k) for k, row in enumerate(rows.split()))
    FILES[base + "/arcstats"] += "\nmemory_available_bytes          3    -922337203685477580"
    for pool, state in (("pool1", "ONLINE"), ("tank", "DEGRADED")):
        FILES["%s/%s/io" % (base, pool)] = """\
12 3 0x00 1 80 79205351707403 395818011156865
nread    nwritten reads    writes   wtime    wlentime wupdate  rtime    rlentime rupdate  wcnt     rcnt
1884160  3206144  22       132      7155162  104112268 79210489694949 24168078 104112268 79210489849220 0        0"""
        FILES["%s/%s/objset-1" % (base, pool)] = """\
23 1 0x01 7 2160 221578688875 6665999035587
name                            type data
dataset_name                    7    %s/data
writes                          4    4
nwritten                        4    12302
reads                           4    2
nread                           4    28
nunlinks                        4    3
nunlinked                       4    3""" % pool
        FILES["%s/%s/state" % (base, pool)] = state


def storage():
    xfs = "sys/fs/xfs/sda1/stats/stats"
    FILES[xfs] = """\
extent_alloc 1 97 0 2
abt 3 5 7 9
blk_map 1767055 188820 184891 92447 92448 2140766 11
bmbt 12 13 14 15
dir 185039 92447 92444 136422
trans 706 944304 0
ig 185045 58807 1 126238 2 33637 22
log 2883 113448 9 17360 739
push_ail 945014 0 134260 15483 0 3940 464 159985 0 40
xstrat 92447 0
rw 107739 94045
attr 4 0 0 0
icluster 8677 7849 135802
vnodes 92601 4 3 2 92444 92443 92442 1
buf 2666287 7122 2659202 3599 2 7085 0 10297 7085
xpc 399724544 92823103 86219234"""
    fs = "sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d"
    put(fs, label="fixture", metadata_uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d", nodesize=16384,
        sectorsize=4096, quota_override=0, clone_alignment=4096)
    FILES[fs + "/commit_stats"] = ("commits 258051\nlast_commit_ms 1000\nmax_commit_ms 51462\n"
                                   "total_commit_ms 47836090")
    put(fs + "/allocation", global_rsv_reserved=16777216, global_rsv_size=16777217)
    for i, (kind, mode) in enumerate((("data", "raid0"), ("metadata", "raid1"), ("system", "raid6"))):
        part = "%s/allocation/%s" % (fs, kind)
        put(part, bytes_may_use=i, bytes_pinned=0, bytes_readonly=0, bytes_reserved=100 + i,
            bytes_used=808189952, disk_total=2147483648, disk_used=808189952, flags=1 << i,
            total_bytes=2147483648, total_bytes_pinned=0)
        put(part + "/" + mode, total_bytes=2147483648 + i, used_bytes=808189952 + i)
    for i in range(4):
        put("%s/devices/loop%d" % (fs, 22 + i), size=20971520 + i)
        put("%s/devices/loop%d/queue" % (fs, 22 + i), logical_block_size=512)
    put(fs + "/features", big_metadata=1)
    cache = "sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74"
    put(cache, average_key_size=3, btree_cache_size="1.5k", cache_available_percent=99, congested=4,
        root_usage_percent=5, tree_depth=6)
    put(cache + "/internal", active_journal_entries=1, btree_nodes=2,
        btree_read_average_duration_us=1305, cache_read_races=7)
    for part in ("five_minute", "total"):
        numbered("%s/stats_%s" % (cache, part), "bypassed cache_bypass_hits cache_bypass_misses "
                 "cache_hit_ratio cache_hits cache_miss_collisions cache_misses cache_readaheads",
                 540)
    put(cache + "/bdev0", dirty_data="2.5M")
    for part in ("five_minute", "total"):
        numbered("%s/bdev0/stats_%s" % (cache, part), "bypassed cache_bypass_hits "
                 "cache_bypass_misses cache_hit_ratio cache_hits cache_miss_collisions cache_misses "
                 "cache_readaheads", 640)
    FILES[cache + "/bdev0/writeback_rate_debug"] = """\
rate:\t\t1.1M/sec
dirty:\t\t20.4G
target:\t\t20.4G
proportional:\t427.5k
integral:\t790.0k
change:\t\t321.5k/sec
next io:\t17ms"""
    put(cache + "/cache0", io_errors=1, metadata_written="512", written="3.5G")
    FILES[cache + "/cache0/priority_stats"] = """\
Unused:\t\t99%
Metadata:\t1%
Average:\t10473
Sectors per Q:\t64
Quantiles:\t[0 0 0 20946]"""
    for i, name in enumerate(("md0", "md3")):
        put("sys/block/%s/md" % name, raid_disks=2 + i, degraded=i, level="raid1",
            array_state="clean", metadata_version="1.2", uuid="x", component_size=1, chunk_size=0,
            sync_action="idle")
        put("sys/block/" + name, size=100)
    for i, (name, state) in enumerate((("mpathA", "running"), ("mpathB", "offline"))):
        dm = "sys/block/dm-%d" % (5 + i)
        put(dm, size=104857600)
        put(dm + "/dm", name=name, uuid="mpath-3600508b1001c123%d" % i, suspended=i)
        put(dm + "/slaves/sd%c/device" % (105 + i), state=state)
        put(dm + "/slaves/sd%c/device" % (107 + i), state="running")
    put("sys/block/dm-9/dm", name="vg0-root", uuid="LVM-abc", suspended=0)
    numbered("sys/class/scsi_tape/st0/stats", "in_flight io_ns other_cnt read_byte_cnt read_cnt "
             "read_ns resid_cnt write_byte_cnt write_cnt write_ns", 9247011087)
    numbered("sys/class/scsi_tape/st0a/stats", "in_flight io_ns", 3)
    put("sys/class/nvme/nvme0", firmware_rev="1B2QEXP7", model="Samsung SSD 970 PRO 512GB",
        serial="S680HF8N190894I", state="live", cntlid="1997")


def network():
    net = "sys/class/net"
    FILES[net + "/bonding_masters"] = "bond0 dmz int"
    put(net + "/bond0/bonding", slaves="")
    put(net + "/dmz/bonding", slaves="eth0 eth4")
    put(net + "/dmz/slave_eth0/bonding_slave", mii_status="up")
    put(net + "/dmz/slave_eth4/bonding_slave", mii_status="up")
    put(net + "/int/bonding", slaves="eth5 eth1")
    put(net + "/int/lower_eth1/bonding_slave", mii_status="down")
    put(net + "/int/lower_eth5/bonding_slave", mii_status="up")
    ib = "sys/class/infiniband"
    put(ib + "/mlx4_0", board_id="SM_1141000001000", fw_ver="2.31.5050", hca_type="MT4099")
    put(ib + "/mlx4_0/ports/1", state="4: ACTIVE", phys_state="5: LinkUp",
        rate="40 Gb/sec (4X QDR)", link_layer="InfiniBand")
    numbered(ib + "/mlx4_0/ports/1/counters", "excessive_buffer_overrun_errors link_downed "
             "link_error_recovery local_link_integrity_errors multicast_rcv_packets "
             "multicast_xmit_packets port_rcv_constraint_errors port_rcv_data port_rcv_errors "
             "port_rcv_packets port_rcv_remote_physical_errors port_rcv_switch_relay_errors "
             "port_xmit_constraint_errors port_xmit_data port_xmit_discards port_xmit_packets "
             "port_xmit_wait symbol_error unicast_rcv_packets unicast_xmit_packets VL15_dropped", 70)
    numbered(ib + "/mlx4_0/ports/1/counters_ext", "port_multicast_rcv_packets "
             "port_multicast_xmit_packets port_rcv_data_64 port_rcv_packets_64 "
             "port_unicast_rcv_packets port_unicast_xmit_packets port_xmit_data_64 "
             "port_xmit_packets_64", 4631917)
    put(ib + "/i40iw0", board_id="I40IW Board ID", fw_ver="0.2", hca_type="I40IW")
    put(ib + "/i40iw0/ports/1", state="1: DOWN", phys_state="3: Disabled",
        rate="10 Gb/sec (4X)", link_layer="Ethernet")
    put(ib + "/i40iw0/ports/1/counters", VL15_dropped="N/A (no PMA)", link_downed="0")
    for i in range(2):
        fc = "sys/class/fc_host/host%d" % i
        put(fc, dev_loss_tmo=30, fabric_name="0x0", node_name="0x2000e0071bce95f2",
            port_id="0x000002", port_name="0x1000e0071bce95f2", port_state="Online",
            port_type="Point-To-Point (direct nport connection)", speed="16 Gbit",
            supported_classes="Class 3", supported_speeds="4 Gbit, 8 Gbit, 16 Gbit",
            symbolic_name="Emulex SN1100E2P FV12.4.270.3 DV12.4.0.0. HN:gotest. OS:Linux")
        for k, name in enumerate("dumped_frames error_frames fcp_packet_aborts invalid_crc_count "
                                 "invalid_tx_word_count link_failure_count loss_of_signal_count "
                                 "loss_of_sync_count nos_count rx_frames rx_words "
                                 "seconds_since_last_reset tx_frames tx_words".split()):
            FILES["%s/statistics/%s" % (fc, name)] = hex((i + 1) * (k + 16))


def machine():
    node = "sys/devices/system/node/node0"
    FILES[node + "/meminfo"] = """\
Node 0 MemTotal:       134182340 kB
Node 0 MemFree:        53030372 kB
Node 0 Active(anon):   5352228 kB
Node 0 HugePages_Total:     7
Node 0 AnonHugePages:  147456 kB"""
    FILES[node + "/numastat"] = """\
numa_hit 193460335812
numa_miss 12624528
numa_foreign 59858623300
interleave_hit 57146
local_node 193454780853
other_node 18179487"""
    edac = "sys/devices/system/edac/mc/mc0"
    put(edac, ce_count=1, ce_noinfo_count=2, ue_count=5, ue_noinfo_count=6)
    put(edac + "/csrow0", ce_count=3, ue_count=4, ch0_ce_count=1, ch0_ue_count=2,
        ch0_dimm_label="mc0_csrow0_channel0", ch1_ce_count=7, ch1_ue_count=8,
        ch1_dimm_label="CPU_SrcID#0_Ha#0")
    put(edac + "/csrow1", ce_count=9, ue_count=10)
    dmi = "sys/class/dmi/id"
    put(dmi, bios_date="04/12/2021", bios_release="2.2", bios_vendor="Dell Inc.",
        bios_version="2.2.4", board_name="07PXPY", board_serial=".7N62AI2.GRTCL6944100GP.",
        board_vendor="Dell Inc.", board_version="A01", chassis_asset_tag="",
        chassis_serial="7N62AI2", chassis_type="23", chassis_vendor="Dell Inc.",
        product_family="PowerEdge", product_name="PowerEdge R6515", product_serial="7N62AI2",
        product_sku="SKU=NotProvided;ModelName=PowerEdge R6515",
        product_uuid="83340ca8-cb49-4474-8c29-d2088ca84dd9", sys_vendor="Dell Inc.")
    zones = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "package-1",
             "intel-rapl:1:0": "core", "intel-rapl:1:1": "dram"}
    for i, (zone, name) in enumerate(zones.items()):
        put("sys/class/powercap/" + zone, name=name, energy_uj=240422366267 + i,
            max_energy_range_uj=262143328850)
    numbered("sys/kernel/mm/ksm", "full_scans merge_across_nodes pages_shared pages_sharing "
             "pages_to_scan pages_unshared pages_volatile run sleep_millisecs general_profit", 323)
    put("sys/fs/selinux", enforce=1)
    FILES["etc/selinux/config"] = "# x\nSELINUX=enforcing\nSELINUXTYPE=targeted"
    put("sys/class/watchdog/watchdog0", access_cs0=0, bootstatus=1, fw_version=2,
        identity="Software Watchdog", nowayout=0, options="0x8380", pretimeout=120,
        pretimeout_governor="noop", state="active", status="0x8000", timeleft=300, timeout=60)
    cpus = "sys/devices/system/cpu"
    put(cpus, isolated="1,3-5")
    put(cpus + "/cpu1", online=1)
    put(cpus + "/vulnerabilities", mds="Vulnerable: no microcode", l1tf="Not affected",
        retbleed="Mitigation: untrained return thunk; SMT enabled with STIBP protection",
        tsx_async_abort="Unknown: No mitigations")
    LINKS["sys/bus/pci/devices/0000:01:00.0"] = "../../../devices/pci0000:00/0000:00:02.1/0000:01:00.0"
    LINKS["sys/bus/pci/devices/0000:00:02.1"] = "../../../devices/pci0000:00/0000:00:02.1"
    bridge = "sys/devices/pci0000:00/0000:00:02.1"
    for place, ids, link in ((bridge, ("0x060400", "0x1022", "0x1634"), "8.0 GT/s PCIe"),
                             (bridge + "/0000:01:00.0", ("0x010802", "0xc0a9", "0x540a"),
                              "16.0 GT/s PCIe")):
        put(place, vendor=ids[1], device=ids[2], subsystem_vendor="0x17aa",
            subsystem_device="0x5095", revision="0x01", max_link_speed=link,
            current_link_speed="8.0 GT/s PCIe", max_link_width=8, current_link_width=4,
            power_state="D0", d3cold_allowed=1, numa_node=-1, sriov_numvfs=4, sriov_totalvfs=8,
            sriov_drivers_autoprobe=1, sriov_vf_total_msix=16)
        FILES[place + "/class"] = ids[0]


def main():
    proc()
    zfs()
    storage()
    network()
    machine()
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "devices.tree")
    with open(out, "w", encoding="utf-8") as f:
        for name, target in LINKS.items():
            f.write("== %s -> %s\n" % (name, target))
        for name, text in FILES.items():
            f.write("== %s\n%s\n" % (name, text.rstrip("\n")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
