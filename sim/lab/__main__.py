from sim.lab.cli import main

raise SystemExit(main())
